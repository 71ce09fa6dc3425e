"""Ingestion: load, chunk, embed and describe, store, link; a few batches at a time.

Theory of operation
    Items come as a stream and are gathered into batches of several documents; at most `concurrency` batches are under
    way, so memory does not grow with the corpus. A batch is judged (what is there unchanged is left alone), cut into
    passages, enriched (vectors and metadata at the same time) and stored as wholes: a document is there with its new
    passages, vectors and links, or as it was.

    Who goes on with an ingest that was cut off meets the same items again: what was stored is unchanged, what was
    paid for and not yet stored is in the ledger.
"""

import asyncio
from asyncio import Semaphore
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

from chatserver.ingest.attendance import Making
from chatserver.ingest.batch import Batch, Place, Sourced, content_hash, fault_of
from chatserver.ingest.describing import described
from chatserver.ingest.enriching import Enriched, Enriching, Extractor
from chatserver.ingest.files import Source, find
from chatserver.ingest.items import items_of, names_of
from chatserver.ingest.ledger import Note, Paid, Unpaid
from chatserver.ingest.linker import Linker, Linking
from chatserver.ingest.loaders import Item, Loaded
from chatserver.ingest.parsing import FileParser, NoParser
from chatserver.ingest.report import IngestReport, Problem, Progress, no_progress
from chatserver.ingest.sections import passages_of
from chatserver.ingest.watching import Watching, until_done
from graph.ports import Library
from graph.types import DocumentLinks, Entity, Record, Whole
from retrieval.ports import Embedder
from retrieval.types import Document, Passage

T = TypeVar("T")


class Hashes(Protocol):
    """Of a `retrieval.ports.DocumentStore`, what an ingest asks."""

    async def content_hashes(self, documents: Sequence[str], *, namespace: str = "") -> Mapping[str, str]: ...


class Putting(Protocol):
    """Of a `graph.ports.RecordStore`, what an ingest does."""

    async def put(self, records: Sequence[Record], *, namespace: str = "") -> None: ...


Settled = Callable[[str], Awaitable[None]]
"""Called with the namespace when all of an ingest is in."""


class Ingestion:
    """Brings documents and records into the stores.

    Idempotent by content hash: a document that is there unchanged is left alone, a changed one is replaced with its
    passages, vectors and links. What is wrong with one item is an entry of the report, and the others go on; a store
    or embedder that fails ends the ingest with its `RetrievalError` (unless it is paused), and doing it again takes
    up where it ended."""

    def __init__(
        self,
        documents: Hashes,
        library: Library,
        embedder: Embedder,
        graph: Linking,
        records: Putting,
        *,
        extractor: Extractor | None = None,
        describes: bool = True,
        parser: FileParser | None = None,
        paid: Paid | None = None,
        keeps_vectors: bool = True,
        batch: int = 128,
        calls: int = 20,
        concurrency: int = 2,
        hashed_space: str = "",
        settled: Settled | None = None,
    ) -> None:
        """`library` is the way into these very stores; `hashed_space` names the vectors' space where a document counts
        as changed when only that has. `describes`: whether passages get metadata by rules. `paid` keeps what upstreams
        have made, vectors only where `keeps_vectors`. `batch` passages go into one call to the embedder, `calls` to
        each upstream are under way at once, of all ingests."""
        self.documents = documents
        self.library = library
        slots = Semaphore(calls), Semaphore(calls)
        self.enriching = Enriching(embedder, extractor, paid or Unpaid(), keeps_vectors, batch, *slots)
        self.describes = describes
        self.parser = parser or NoParser()
        self.graph = graph
        self.records = records
        self.concurrency = concurrency
        self.hashed_space = hashed_space
        self.settled = settled

    @property
    def making(self) -> Making:
        """What it makes of a text."""
        embedder, extractor = self.enriching.embedder, self.enriching.extractor
        return Making(embedder.name, embedder.dimension, extractor.name if extractor else "", self.describes)

    def into(
        self,
        documents: Hashes,
        library: Library,
        graph: Linking,
        records: Putting,
        *,
        paid: Paid,
        hashed_space: str,
        settled: Settled,
    ) -> "Ingestion":
        """The same work into other stores, within the same bounds."""
        other = copy(self)
        other.documents, other.library, other.graph, other.records = documents, library, graph, records
        other.enriching = replace(self.enriching, paid=paid)
        other.hashed_space, other.settled = hashed_space, settled
        return other

    async def ingest_paths(
        self, paths: Sequence[Path], namespace: str = "", *, progress: Progress = no_progress
    ) -> IngestReport:
        """Files and directories, these in sorted order. A document of Markdown or text is called by its path below
        the directory that was given."""
        found = await asyncio.to_thread(find, paths)
        report = IngestReport(skipped=list(found.skipped), errors=list(found.problems))
        return await self.ingest_sources(found.sources, namespace, Watching(progress), report)

    async def ingest_sources(
        self, sources: Sequence[Source], namespace: str, watching: Watching, report: IngestReport
    ) -> IngestReport:
        """Adds to the report, which is given back."""
        items = items_of(sources, self.parser, watching.progress)
        return await _Run(self, namespace, watching, report).drain(items, names_of(sources))

    async def ingest_documents(
        self, documents: Iterable[Document], namespace: str = "", *, progress: Progress = no_progress
    ) -> IngestReport:
        return await self.ingest_items(_given(documents), namespace, Watching(progress), IngestReport())

    async def ingest_records(
        self, records: Iterable[Record], namespace: str = "", *, progress: Progress = no_progress
    ) -> IngestReport:
        return await self.ingest_items(_given(records), namespace, Watching(progress), IngestReport())

    async def ingest_items(
        self, items: AsyncIterator[Item], namespace: str, watching: Watching, report: IngestReport
    ) -> IngestReport:
        return await _Run(self, namespace, watching, report).drain(items)


async def _given(values: Iterable[Document | Record]) -> AsyncIterator[Item]:
    for value in values:
        yield Loaded(value, "")


def first_failure(failures: ExceptionGroup[Exception]) -> Exception:
    """The first failure ended the others: it is the one to tell."""
    first = failures.exceptions[0]
    return first_failure(first) if isinstance(first, ExceptionGroup) else first


@dataclass(frozen=True, slots=True)
class _Changed:
    """A document to store, cut into passages."""

    document: Document
    content_hash: str
    passages: Sequence[Passage]


class _Run:
    """One ingest under way."""

    def __init__(self, ingestion: Ingestion, namespace: str, watching: Watching, report: IngestReport) -> None:
        self._report = report
        self._to = ingestion
        self._namespace = namespace
        self._watching = watching
        self._linker = Linker(ingestion.graph, namespace)
        self._slots = asyncio.Semaphore(ingestion.concurrency)
        self._items = 0
        self._counts = {"chunk": 0, "metadata": 0, "embed": 0, "store": 0}

    async def drain(
        self, items: AsyncIterator[Item], names: AsyncIterator[Sequence[Entity]] | None = None
    ) -> IngestReport:
        """`names` are those of the documents among the items, as far as they can be told before."""
        await self._patiently(self._linker.open)
        if names is not None and self._linker.announces:
            async for some in names:
                await self._patiently(partial(self._linker.announce, some))
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._feed(items, tasks)
        except ExceptionGroup as failures:
            raise first_failure(failures) from None
        progress = self._watching.progress
        await self._patiently(lambda: self._linker.settle(lambda done, total: progress("link", done, total)))
        if (settled := self._to.settled) is not None:
            await self._patiently(lambda: settled(self._namespace))
        if not self._items:
            self._tell(Problem("empty_corpus", "there is nothing to ingest"))
        return self._report

    async def _feed(self, items: AsyncIterator[Item], tasks: asyncio.TaskGroup) -> None:
        batch = Batch()
        async for item in items:
            self._items += 1
            self._add(item, batch)
            if batch.full:
                await self._start(batch, tasks)
                batch = Batch()
        await self._start(batch, tasks)

    def _add(self, item: Item, batch: Batch) -> None:
        if isinstance(item, Problem):
            self._tell(item)
        elif fault := fault_of(item.value):
            self._tell(Problem(*fault, item.file, item.line))
        else:
            batch.add(item.value, Place(item.file, item.line, 0 if item.file else self._items))

    async def _start(self, batch: Batch, tasks: asyncio.TaskGroup) -> None:
        await self._slots.acquire()
        tasks.create_task(self._store(batch))

    async def _store(self, batch: Batch) -> None:
        try:
            await self._store_records(batch.records)
            await self._store_documents(await self._patiently(lambda: self._judged(batch.documents)))
        finally:
            self._slots.release()

    async def _store_records(self, records: Sequence[Record]) -> None:
        if not records:
            return
        await self._patiently(lambda: self._linker.link_records(records))
        await self._patiently(lambda: self._to.records.put(records, namespace=self._namespace))
        self._report.records += len(records)

    async def _store_documents(self, changed: Sequence[_Changed]) -> None:
        passages = [passage for one in changed for passage in one.passages]
        if not passages:
            return
        self._told("chunk", len(passages))
        enriched = await self._to.enriching.enrich(passages, self._patiently, self._told)
        links = await self._linker.links_of([(one.document, one.passages) for one in changed])
        wholes = await asyncio.to_thread(self._wholes, changed, enriched, links)
        await self._patiently(lambda: self._to.library.store(wholes, namespace=self._namespace))
        if enriched.paid:
            await self._patiently(lambda: self._to.enriching.paid.discard(enriched.paid))
        self._report.documents += len(changed)
        self._report.passages += len(passages)
        self._told("store", len(passages))

    def _wholes(self, changed: Sequence[_Changed], enriched: Enriched, links: Sequence[DocumentLinks]) -> list[Whole]:
        passages, vectors = iter(enriched.passages), iter(enriched.vectors)
        wholes = []
        for one, linked in zip(changed, links, strict=True):
            mine = list(islice(passages, len(one.passages)))
            if self._to.describes:
                mine = described(one.document, mine, linked.passages)
            of_mine = tuple(islice(vectors, len(mine)))
            wholes.append(Whole(one.document, tuple(mine), of_mine, linked, one.content_hash))
        return wholes

    async def _judged(self, sourced: Sequence[Sourced]) -> list[_Changed]:
        """Those to store; the others are counted, or told as a problem."""
        if not sourced:
            return []
        ids = [one.document.id for one in sourced]
        stored = await self._to.documents.content_hashes(ids, namespace=self._namespace)
        cut = await asyncio.to_thread(self._cut, sourced, stored)
        notes = [
            Note(one.document.id, str(one.place), len(changed.passages) if changed else None)
            for one, changed in zip(sourced, cut, strict=True)
        ]
        first = await self._watching.seen.note(notes)
        todo = []
        for one, changed, note in zip(sourced, cut, first, strict=True):
            if note.place != str(one.place):
                message = f"a second document with the id {one.document.id!r}"
                self._tell(Problem("duplicate_id", message, one.place.file, one.place.line))
            elif changed is not None:
                todo.append(changed)
            elif note.passages is None:
                self._report.unchanged += 1
            else:  # stored by who ran this job before us
                self._report.documents += 1
                self._report.passages += note.passages
        return todo

    def _cut(self, sourced: Sequence[Sourced], stored: Mapping[str, str]) -> list[_Changed | None]:
        """None for a document that is there unchanged."""
        cut: list[_Changed | None] = []
        for document, _ in sourced:
            hash = content_hash(document, self._to.hashed_space)
            same = stored.get(document.id) == hash
            cut.append(None if same else _Changed(document, hash, passages_of(document)))
        return cut

    def _told(self, stage: str, more: int) -> None:
        self._counts[stage] += more
        self._watching.progress(stage, self._counts[stage], self._counts["chunk"])

    def _tell(self, problem: Problem) -> None:
        self._report.errors.append(problem)
        self._watching.problem(problem)

    async def _patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        return await until_done(work, self._watching.pause)
