"""Jobs: their users' side, and what runs them."""

import asyncio
import os
import socket
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import structlog

from chatserver.answers.log import AnswerLog
from chatserver.generation.generation import Pace
from chatserver.generation.generations import Generations
from chatserver.ingest.attendance import Lack
from chatserver.ingest.inputs import OtherStores
from chatserver.ingest.jobs import Jobs
from chatserver.metrics.metrics import Metrics
from chatserver.metrics.sampling import Sampler, sampled
from chatserver.settings import Settings
from chatserver.wiring.answers import open_answers
from chatserver.wiring.elsewhere import keeping, open_errands, pipeline_of, spool_of
from chatserver.wiring.home import check_stores, home_of
from chatserver.wiring.knowledge import Knowledge, open_knowledge
from chatserver.wiring.roster import attended_by_server, attended_by_worker
from chatserver.wiring.tended import tended

if TYPE_CHECKING:
    from chatserver.ingest.elsewhere.redis_errands import RedisErrands
    from chatserver.ingest.saq_queue import SaqJobs

log = structlog.get_logger(__name__)

_MAX_OWNERS = 100
"""A long job outlives many restarts."""

Busy = Callable[[], bool]
"""Whether there was something to do since it was asked last."""


def jobs_of(
    settings: Settings,
    answers: AnswerLog,
    knowledge: Knowledge,
    wake: Callable[[], None],
    lack: Callable[[], Lack | None] = lambda: None,
) -> Jobs:
    """For their users; `wake` is called with each new one, `lack` tells why nobody takes any."""
    return Jobs(
        answers,
        knowledge.ledger,
        spool_of(settings),
        queue=settings.ingest.queue,
        home=home_of(settings),
        space=knowledge.ingestion.hashed_space,
        wake=wake,
        lack=lack,
    )


@asynccontextmanager
async def open_worker(settings: Settings, metrics_at: tuple[str, int] | None = None) -> AsyncIterator[Busy]:
    """Runs jobs as long as the context lasts, as many at once as the settings say: those that it finds in the log, or
    with Redis those that the queue there gives it, whichever data directory they belong to. Jobs under way are handed
    over at its end. Its numbers are told at that host and port. Raises `LogUnavailable`, `RetrievalError`,
    `NotServed`."""
    async with AsyncExitStack() as stack:
        errands = await stack.enter_async_context(open_errands(settings))
        here = await stack.enter_async_context(open_jobs(settings, seeks=errands is None, errands=errands, shares=True))
        if metrics_at is not None:
            stack.enter_context(here.metrics.served(*metrics_at))
        try:
            await asyncio.to_thread(check_stores, settings)
        except OtherStores as error:
            log.warning("jobs of this data directory wait: its servers have other stores", reason=str(error))
        busy = _Errands()
        if errands is not None:
            await stack.enter_async_context(keeping(settings, here.knowledge, errands, busy.at_work))
            queue = await stack.enter_async_context(_open_queue(settings, here.knowledge))
            run = queue.run(here.running.perform, here.answers, concurrency=settings.ingest.workers)
            await stack.enter_async_context(tended(run, "jobs of the queue"))
            await stack.enter_async_context(attended_by_worker(settings, here.knowledge))
        yield lambda: bool(here.running.inflight()) or busy()
        await here.running.drain(0)


@asynccontextmanager
async def open_keeper(settings: Settings) -> AsyncIterator[Busy]:
    """With Redis: does at the data directory what workers on other machines ask of it, as long as the context lasts.
    Raises `RetrievalError`."""
    async with AsyncExitStack() as stack:
        knowledge = await stack.enter_async_context(open_knowledge(settings))
        errands = await stack.enter_async_context(open_errands(settings))
        busy = _Errands()
        if errands is not None:
            await stack.enter_async_context(keeping(settings, knowledge, errands, busy.at_work))
        yield busy


class _Errands:
    """Whether there were any."""

    def __init__(self) -> None:
        self._some = False

    def at_work(self) -> None:
        self._some = True

    def __call__(self) -> bool:
        some, self._some = self._some, False
        return some


@dataclass(frozen=True, slots=True)
class Here:
    """Jobs, their log, and what runs them in this process."""

    jobs: Jobs
    answers: AnswerLog
    running: Generations
    knowledge: Knowledge
    metrics: Metrics


@asynccontextmanager
async def open_jobs(
    settings: Settings, *, seeks: bool, errands: "RedisErrands | None" = None, shares: bool = False
) -> AsyncIterator[Here]:
    """`running` looks for jobs by itself (`seeks`), or performs what it is told to; with `errands` the jobs of any data
    directory. With `shares` a job waits while its servers have other stores. Raises `LogUnavailable`,
    `RetrievalError`."""
    async with AsyncExitStack() as stack:
        metrics = Metrics()
        knowledge = await stack.enter_async_context(open_knowledge(settings, metrics.upstreams))
        answers = await open_answers(settings)
        stack.push_async_callback(answers.aclose)
        running = Generations(
            answers,
            pipeline_of(settings, knowledge, errands, shares=shares),
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
        yield Here(jobs_of(settings, answers, knowledge, lambda: None), answers, running, knowledge, metrics)


@asynccontextmanager
async def feeding(
    settings: Settings, answers: AnswerLog, knowledge: Knowledge, work: asyncio.Event
) -> AsyncIterator[Callable[[], Lack | None]]:
    """With Redis: offers this directory's jobs to the workers there, as long as the context lasts; else nothing. What
    it gives tells why nobody takes them, while that is so."""
    if settings.redis.url is None:
        yield lambda: None
        return
    async with (
        _open_queue(settings, knowledge) as queue,
        tended(queue.feed(answers, work), "feed jobs"),
        attended_by_server(settings, knowledge, lambda: queue.waiting > 0) as view,
    ):
        yield lambda: view.lack


@asynccontextmanager
async def _open_queue(settings: Settings, knowledge: Knowledge) -> "AsyncIterator[SaqJobs]":
    from chatserver.ingest.saq_queue import SaqJobs  # redis-py and croniter take a fifth of a second to import

    assert settings.redis.url is not None
    url = settings.redis.url.get_secret_value()
    queue = SaqJobs.open(url, settings.generation.lease_s, home_of(settings), knowledge.ingestion.making.name)
    try:
        yield queue
    finally:
        await queue.aclose()
