"""Jobs of many processes: `saq`, a queue on Redis, says who runs which. The one file that imports it.

Theory of operation
    The log remains the truth: a job is there before the queue hears of it, and whoever the queue gives it to claims it
    in the log first. So a delivery too many does no work twice, and a job that the queue has lost (Redis was emptied,
    a server died between the two) is offered again by `feed`, which looks for jobs without an owner.

    A worker that runs a job says so every third of a heartbeat; one that falls silent is swept by any other worker,
    and its job delivered again. Until the dead one's lease has ended too, the new worker waits at the log.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, Self

import structlog
from saq import Job, Queue, Worker
from saq.queue.redis import RedisQueue
from saq.types import PartialTimersDict

from chatserver.answers.log import AnswerLog, LogUnavailable

log = structlog.get_logger(__name__)

NAME: Final = "chatserver-jobs"
_FUNCTION: Final = "run"
_DELIVERIES: Final = 1_000
"""Of one job at most: an owner less in the log is what ends a job that ends its workers."""
_LOOK_S: Final = 1.0
_GRACE_S: Final = 2  # for telling the queue of what was handed over: else it is delivered again only after a sweep
_OFFERED: Final = 1_000
_CLOSE_S: Final = 1.0

Perform = Callable[[str], Awaitable[None]]
"""Runs a job if it can be claimed, until it has ended here."""


class _Spared(logging.Filter):
    """Leaves out what saq says, with a traceback and twice a second, of a Redis that is away: our own connections have
    said so once."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not any(kind.__module__.startswith("redis.") for kind in type(error).__mro__)


_spared: Final = _Spared()


class _Worker(Worker[Any]):
    SIGNALS = ()  # type: ignore[assignment]  # whoever runs the process has its own


class SaqJobs:
    """Made by `open`. `lease_s` is that of the log's claims: a worker silent for so long is taken for dead. `home`
    names the data directory whose jobs are offered. `makes` names what a worker makes of a text: workers take the jobs
    of all directories that want the same made, and those that want another have a queue of their own."""

    def __init__(self, queue: Queue, lease_s: float, home: str) -> None:
        self._queue = queue
        self._home = home
        self._lease_s = lease_s
        self._heartbeat_s = max(2, math.ceil(lease_s))
        self.waiting = 0
        """Jobs of `home` that nobody has claimed, when `feed` looked last."""

    @classmethod
    def open(cls, url: str, lease_s: float, home: str, makes: str) -> Self:
        """Connects with the first use."""
        logging.getLogger("saq").addFilter(_spared)
        return cls(RedisQueue.from_url(url, name=f"{NAME}-{makes}"), lease_s, home)

    async def offer(self, job: str) -> None:
        """To some worker, soon. A job that is queued or run already is not offered twice."""
        offered = Job(
            _FUNCTION, kwargs={"job": job}, key=job, timeout=0, heartbeat=self._heartbeat_s, retries=_DELIVERIES, ttl=1
        )
        await self._queue.enqueue(offered)

    async def feed(self, answers: AnswerLog, work: asyncio.Event) -> None:
        """Offers the jobs that have no owner, at once when `work` is set; until it is cancelled."""
        while True:
            work.clear()
            try:
                waiting = 0
                for job in await answers.claimable(_OFFERED, jobs=True):
                    meta = await answers.meta(job)
                    if meta is not None and meta.question.options.get("home") == self._home:
                        waiting += 1
                        await self.offer(job)
                self.waiting = waiting
            except LogUnavailable as error:
                log.warning("cannot look for jobs", error=str(error))
            except Exception as error:  # redis-py raises many kinds
                log.warning("cannot offer jobs", error=type(error).__name__)
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await work.wait()

    async def run(self, perform: Perform, answers: AnswerLog, *, concurrency: int) -> None:
        """Performs what it is given, so many at once, until it is cancelled."""

        async def run(context: Any, *, job: str) -> None:
            await self._alive(context["job"], self._deliver(job, perform, answers))

        worker = _Worker(
            self._queue,
            [(_FUNCTION, run)],
            concurrency=concurrency,
            timers=PartialTimersDict(schedule=1, worker_info=10, sweep=self._heartbeat_s, abort=1),
            dequeue_timeout=1.0,
            shutdown_grace_period_s=_GRACE_S,
        )
        await worker.start()

    async def _deliver(self, job: str, perform: Perform, answers: AnswerLog) -> None:
        """Gives up waiting for another owner's lease when that goes on being renewed."""
        ends = asyncio.get_running_loop().time() + 2 * self._lease_s
        while asyncio.get_running_loop().time() < ends:
            await perform(job)
            meta = await answers.meta(job)
            if meta is None or meta.state.sealed or meta.owner is None:
                return
            await asyncio.sleep(self._lease_s / 10)

    async def _alive(self, delivery: Job, work: Awaitable[None]) -> None:
        async def beat() -> None:
            while True:
                await asyncio.sleep(self._heartbeat_s / 3)
                await delivery.update()

        async with asyncio.TaskGroup() as group:
            beating = group.create_task(beat())
            await work
            beating.cancel()

    async def aclose(self) -> None:
        """Takes a second at most, and never raises: saq connects once more to say goodbye, maybe to a Redis that is
        away."""
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._queue.disconnect()
        except Exception as error:  # redis-py raises many kinds
            log.info("left the queue of jobs without a word", error=type(error).__name__)
