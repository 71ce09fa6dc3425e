"""Jobs: their users' side, and what runs them."""

import asyncio
import os
import socket
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from chatserver.answers.log import AnswerLog
from chatserver.generation.generation import Pace
from chatserver.generation.generations import Generations
from chatserver.ingest.jobs import Jobs
from chatserver.ingest.performing import IngestPipeline
from chatserver.ingest.spool import Spool
from chatserver.metrics.metrics import Metrics
from chatserver.metrics.sampling import Sampler, sampled
from chatserver.settings import Settings
from chatserver.wiring.answers import open_answers
from chatserver.wiring.knowledge import Knowledge, open_knowledge

if TYPE_CHECKING:
    from chatserver.ingest.saq_queue import SaqJobs

_MAX_OWNERS = 100
"""A long job outlives many restarts."""


def jobs_of(settings: Settings, answers: AnswerLog, knowledge: Knowledge, wake: Callable[[], None]) -> Jobs:
    """For their users; `wake` is called with each new one."""
    home = _home(settings.storage.data_dir)
    return Jobs(answers, knowledge.ledger, _spool(settings), queue=settings.ingest.queue, home=home, wake=wake)


@asynccontextmanager
async def open_worker(settings: Settings) -> AsyncIterator[Generations]:
    """Runs jobs as long as the context lasts, as many at once as the settings say: those that it finds in the log, or
    with Redis those that the queue there gives it. Jobs under way are handed over at its end. Raises
    `LogUnavailable`, `RetrievalError`."""
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(open_jobs(settings, seeks=settings.redis.url is None))
        if (url := settings.redis.url) is not None:
            queue = await stack.enter_async_context(_open_queue(settings, url.get_secret_value()))
            run = queue.run(here.running.perform, here.answers, concurrency=settings.ingest.workers)
            stack.push_async_callback(_cancelled, asyncio.create_task(run))
        yield here.running
        await here.running.drain(0)


@dataclass(frozen=True, slots=True)
class Here:
    """Jobs, their log, and what runs them in this process."""

    jobs: Jobs
    answers: AnswerLog
    running: Generations


@asynccontextmanager
async def open_jobs(settings: Settings, *, seeks: bool) -> AsyncIterator[Here]:
    """`running` looks for jobs by itself (`seeks`), or performs what it is told to. Raises `LogUnavailable`,
    `RetrievalError`."""
    async with AsyncExitStack() as stack:
        metrics = Metrics()
        knowledge = await stack.enter_async_context(open_knowledge(settings, metrics.upstreams))
        answers = await open_answers(settings)
        stack.push_async_callback(answers.aclose)
        running = Generations(
            answers,
            IngestPipeline(knowledge.ingestion, knowledge.ledger, _spool(settings)),
            pace=Pace(lease_s=settings.generation.lease_s),
            owner=f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}",
            max_running=settings.ingest.workers,
            max_owners=_MAX_OWNERS,
            history_turns=0,
            jobs=True,
            seeks=seeks,
            watch=metrics.jobs,
        )
        await stack.enter_async_context(running)
        await stack.enter_async_context(sampled(Sampler(metrics, answers, jobs_running=partial(len, running))))
        yield Here(jobs_of(settings, answers, knowledge, lambda: None), answers, running)


@asynccontextmanager
async def feeding(settings: Settings, answers: AnswerLog, work: asyncio.Event) -> AsyncIterator[None]:
    """With Redis: offers jobs to the workers there, as long as the context lasts; else nothing."""
    url = settings.redis.url
    if url is None:
        yield
        return
    async with _open_queue(settings, url.get_secret_value()) as queue:
        feed = asyncio.create_task(queue.feed(answers, work), name="feed jobs")
        try:
            yield
        finally:
            await _cancelled(feed)


@asynccontextmanager
async def _open_queue(settings: Settings, url: str) -> "AsyncIterator[SaqJobs]":
    from chatserver.ingest.saq_queue import SaqJobs  # redis-py and croniter take a fifth of a second to import

    queue = SaqJobs.open(url, settings.generation.lease_s, _home(settings.storage.data_dir))
    try:
        yield queue
    finally:
        await queue.aclose()


async def _cancelled(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _home(data_dir: Path) -> str:
    """The data directory's own name, the same for all processes that share it."""
    file = data_dir / "home"
    try:
        with file.open("x", encoding="ascii") as made:
            made.write(uuid.uuid4().hex)
    except FileExistsError:
        pass
    return file.read_text("ascii")


def _spool(settings: Settings) -> Spool:
    return Spool(settings.storage.data_dir / "spool")
