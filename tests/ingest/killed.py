"""Real worker processes over one data directory, killed with SIGKILL at given points of one job; the upstream is a
server of ours that counts what it is asked for."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from chatserver.answers.document import read_document
from chatserver.ingest.job import status_document
from chatserver.ingest.jobs import Submission
from chatserver.settings import (
    Embeddings,
    Generation,
    Ingest,
    Model,
    Redis,
    Settings,
    Storage,
    to_environment,
)
from chatserver.wiring import open_system
from tests.models.openai_server import OpenAIServer, openai_server

DIMENSION = 8
LEASE_S = 2.0
BATCH = 16
CALL_S = 0.1
"""So long that the kill comes while the call is under way."""


@dataclass
class Toll:
    """What the job ended with, and what it cost. `texts` counts how often each text was sent to the upstream."""

    status: dict[str, Any] = field(default_factory=dict)
    stored: int = 0
    passages: int = 0
    vectors: int = 0
    kills: int = 0
    texts: Counter[str] = field(default_factory=Counter)
    batches: int = 0

    @property
    def repeated(self) -> int:
        """Texts that were sent more than once, each time they were."""
        return sum(count - 1 for count in self.texts.values())


async def killed_job(
    directory: Path,
    documents: int,
    points: Sequence[int],
    *,
    workers: int = 1,
    redis_url: str | None = None,
    within_s: float = 120.0,
) -> Toll:
    """Runs one job of so many documents. Whenever the upstream was asked so many times in all as `points` say,
    in order, whoever runs the job is killed, in the middle of that call."""
    toll = Toll()
    async with openai_server() as upstream:
        upstream.latency_s = CALL_S
        settings = _settings(directory, upstream.url, redis_url)
        async with open_system(settings) as system, _processes(settings, workers, toll) as processes:
            job = system.jobs.new_id()
            size = await system.jobs.spool.keep_rows(job, ({"id": f"d{n}", "text": _text(n)} for n in range(documents)))
            await system.jobs.submit(Submission("ada", {"spool": job}, "many", size), job)
            system.work.set()
            async with asyncio.timeout(within_s):
                for point in points:
                    while len(upstream.asked) < point and not await _sealed(system, job):  # noqa: ASYNC110
                        await asyncio.sleep(0.002)
                    if await _sealed(system, job):
                        break
                    await processes.kill(await _owner_pid(system, job))
                    toll.kills += 1
                while not await _sealed(system, job):  # noqa: ASYNC110 - others' processes ring no event of ours
                    await asyncio.sleep(0.02)
            meta = await system.answers.meta(job)
            assert meta is not None
            toll.status = status_document(meta, await read_document(system.answers, meta))
            counts = await system.knowledge.documents.count()
            toll.stored, toll.passages = counts["documents"], counts["passages"]
        _count(upstream, toll)
    return toll


def _text(number: int) -> str:
    return f"Document {number} tells of pump P-{number}."


def of_the_ingest(upstream: OpenAIServer) -> Iterator[list[str]]:
    """The texts of each call that it was asked, but for the questions by which the scale of its vectors and the limits
    of answers are measured when all is stored. Documents of these tests end with a full stop."""
    for body, _ in upstream.asked:
        if all(text.endswith(".") for text in body["input"]):
            yield body["input"]


def _count(upstream: OpenAIServer, toll: Toll) -> None:
    for texts in of_the_ingest(upstream):
        toll.batches += 1
        toll.texts.update(texts)


async def _sealed(system: Any, job: str) -> bool:
    meta = await system.answers.meta(job)
    return meta is not None and meta.state.sealed


async def _owner_pid(system: Any, job: str) -> int:
    """Owners are called HOST-PID-…"""
    while True:
        meta = await system.answers.meta(job)
        if meta is not None and meta.owner is not None:
            return int(meta.owner.rsplit("-", 2)[1])
        await asyncio.sleep(0.002)


def _settings(directory: Path, url: str, redis_url: str | None) -> Settings:
    return Settings(
        storage=Storage(data_dir=directory),
        generation=Generation(lease_s=LEASE_S),
        model=Model(name="extractive", base_url=url),
        embeddings=Embeddings(name="counted", dimension=DIMENSION, cache_days=0),
        ingest=Ingest(workers=2, calls=1, batch=BATCH),
        redis=Redis(url=SecretStr(redis_url) if redis_url else None),
    )


@dataclass
class _Workers:
    """Keeps so many of them alive."""

    settings: Settings
    running: dict[int, asyncio.subprocess.Process] = field(default_factory=dict)

    async def start(self) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CHATSERVER_")}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "from chatserver.cli import main; main()",
            "worker",
            env={**inherited, **to_environment(self.settings)},
            stderr=asyncio.subprocess.DEVNULL,
        )
        self.running[process.pid] = process

    async def kill(self, pid: int) -> None:
        process = self.running.pop(pid, None)
        if process is not None:  # else it is dead already, and its lease runs out
            process.send_signal(signal.SIGKILL)
            await process.wait()
            await self.start()


@asynccontextmanager
async def _processes(settings: Settings, count: int, toll: Toll) -> AsyncIterator[_Workers]:
    workers = _Workers(settings)
    try:
        for _ in range(count):
            await workers.start()
        yield workers
    finally:
        for process in workers.running.values():
            process.terminate()
        for process in workers.running.values():
            await process.wait()
