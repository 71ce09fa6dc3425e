"""A worker in the test's own process: real stores, ledger, spool and generations; only the upstreams are scripted."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chatserver.answers.document import read_document
from chatserver.answers.log import AnswerLog
from chatserver.answers.memory import MemoryAnswerLog
from chatserver.answers.meta import AnswerMeta
from chatserver.generation.generation import Pace
from chatserver.generation.generations import Generations
from chatserver.ingest.ingestion import Ingestion
from chatserver.ingest.inputs import OwnInputs
from chatserver.ingest.job import status_document
from chatserver.ingest.jobs import Jobs, Submission
from chatserver.ingest.ledger_sqlite import SqliteLedger
from chatserver.ingest.performing import IngestPipeline
from chatserver.ingest.saq_queue import SaqJobs
from chatserver.ingest.spool import Spool
from graph.embedded.library import SqliteLibrary
from graph.embedded.records import SqliteRecordStore
from graph.embedded.store import SqliteGraphStore
from retrieval.embedded.database import Database
from retrieval.embedded.documents import SqliteDocumentStore
from retrieval.embedded.vectors import SqliteVectorStore
from retrieval.errors import RetrievalError
from retrieval.types import Metadata, Passage, Space, Vector

SPACE = Space("scripted", 4)
LEASE_S = 5.0
"""A slow disk or a busy machine holds a renewal up for a second, and another worker would begin anew."""
HOME = "here"


@dataclass
class ScriptedEmbedder:
    """An upstream that counts what it is asked for, takes its time, and fails when it is told to."""

    takes_s: float = 0.0
    failures: list[RetrievalError] = field(default_factory=list)
    calls: list[list[str]] = field(default_factory=list)
    held: asyncio.Event = field(default_factory=asyncio.Event)
    name: str = SPACE.name
    dimension: int = SPACE.dimension

    def __post_init__(self) -> None:
        self.held.set()

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        if self.failures:
            raise self.failures.pop(0)
        self.calls.append(list(texts))
        await self.held.wait()
        await asyncio.sleep(self.takes_s)
        return [[1.0, float(len(text)), 0.5, 0.25] for text in texts]

    @property
    def texts(self) -> list[str]:
        return [text for call in self.calls for text in call]


@dataclass
class ScriptedExtractor:
    """A model that names a passage's first word."""

    takes_s: float = 0.0
    name: str = "first word"
    passages: list[str] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    async def extract(self, passage: Passage) -> Metadata:
        self.passages.append(passage.id)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(self.takes_s)
        self.at_once -= 1
        return {"first": passage.text.split()[0], "words": ("a", "b")}


@dataclass
class Worker:
    """`jobs` are the users' side, `running` what runs them."""

    jobs: Jobs
    answers: AnswerLog
    documents: SqliteDocumentStore
    ledger: SqliteLedger
    embedder: ScriptedEmbedder
    open_runner: Callable[[str], Any]
    queue_url: str | None = None

    async def submit(self, count: int, *, start: int = 0, words: str = "moves glycol") -> str:
        """A job of so many documents of one passage each."""
        job = self.jobs.new_id()
        numbers = range(start, start + count)
        rows = [{"id": f"d{n}", "title": f"Pump {n}", "text": f"Pump {n} {words}."} for n in numbers]
        size = await self.jobs.spool.keep_rows(job, rows)
        meta, _ = await self.jobs.submit(Submission("ada", {"spool": job}, "pumps", size), job)
        return meta.answer

    async def status(self, job: str) -> Mapping[str, Any]:
        meta = await self.answers.meta(job)
        assert meta is not None
        return status_document(meta, await read_document(self.answers, meta))

    async def ended(self, job: str, *, within_s: float = 30.0) -> Mapping[str, Any]:
        """Its status, once it is sealed."""
        async with asyncio.timeout(within_s):
            while True:
                meta = await self.answers.meta(job)
                if meta is not None and meta.state.sealed:
                    return await self.status(job)
                await asyncio.sleep(0.005)

    async def meta(self, job: str) -> AnswerMeta:
        meta = await self.answers.meta(job)
        assert meta is not None
        return meta


@asynccontextmanager
async def data_directory(
    directory: Path, embedder: ScriptedEmbedder | None = None, extractor: ScriptedExtractor | None = None
) -> AsyncIterator[tuple[Ingestion, SqliteDocumentStore, SqliteLedger]]:
    """The embedded stores of a directory, what fills them, and the ledger of what it has paid for."""
    async with AsyncExitStack() as stack:
        db = await Database.open(directory / "knowledge.db")
        stack.push_async_callback(db.aclose)
        ledger = await SqliteLedger.open(directory / "ledger.db")
        stack.push_async_callback(ledger.aclose)
        await SqliteVectorStore.open(db, SPACE)
        documents = await SqliteDocumentStore.open(db)
        graph, library = await SqliteGraphStore.open(db), await SqliteLibrary.open(db, SPACE)
        records = await SqliteRecordStore.open(db)
        embedder = embedder or ScriptedEmbedder()
        ingestion = Ingestion(documents, library, embedder, graph, records, extractor=extractor, paid=ledger)
        yield ingestion, documents, ledger


@asynccontextmanager
async def worker(
    directory: Path,
    *,
    embedder: ScriptedEmbedder | None = None,
    extractor: ScriptedExtractor | None = None,
    answers: AnswerLog | None = None,
    queue_url: str | None = None,
    lease_s: float = LEASE_S,
) -> AsyncIterator[Worker]:
    embedder = embedder or ScriptedEmbedder()
    async with AsyncExitStack() as stack:
        ingestion, documents, ledger = await stack.enter_async_context(data_directory(directory, embedder, extractor))
        spool = Spool(directory / "spool")
        log = answers or MemoryAnswerLog()
        stack.push_async_callback(log.aclose)

        @asynccontextmanager
        async def runner(owner: str) -> AsyncIterator[Generations]:
            """One process's: it finds its jobs in the log, or is given them by the queue."""
            pipeline = IngestPipeline(ingestion, ledger, OwnInputs(spool), first_wait_s=0.01)
            generations = Generations(
                log,
                pipeline,
                pace=Pace(lease_s=lease_s),
                owner=owner,
                max_running=2,
                history_turns=0,
                jobs=True,
                seeks=queue_url is None,
            )
            async with generations as running, AsyncExitStack() as queued:
                if queue_url is not None:
                    queue = SaqJobs.open(queue_url, lease_s, HOME, ingestion.making.name)
                    queued.push_async_callback(queue.aclose)
                    for task in (
                        asyncio.create_task(queue.run(running.perform, log, concurrency=2)),
                        asyncio.create_task(queue.feed(log, asyncio.Event())),
                    ):
                        queued.push_async_callback(_cancelled, task)
                yield running

        yield Worker(Jobs(log, ledger, spool, home=HOME), log, documents, ledger, embedder, runner, queue_url)


async def _cancelled(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
