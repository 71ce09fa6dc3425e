"""What is looked at rather than told: how many there are, whether the log answers, how late the loop is."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, Protocol

from chatserver.answers.log import LogUnavailable
from chatserver.metrics.metrics import Metrics

_TICK_S: Final = 0.25
_SAMPLE_EVERY: Final = 4
"""Ticks."""
_LOOK_EVERY: Final = 20
_MOST_WAITING: Final = 1000
"""More than so many that wait are told as so many."""


class Claimable(Protocol):
    """Of `chatserver.answers.log.AnswerLog`, what is asked here."""

    async def claimable(self, limit: int, *, jobs: bool = False) -> list[str]: ...


class Sampler:
    """`run` is a task of its owner. `running` and `connections` tell how many there are of them."""

    def __init__(
        self,
        metrics: Metrics,
        answers: Claimable,
        *,
        answers_running: Callable[[], int] = lambda: 0,
        jobs_running: Callable[[], int] = lambda: 0,
        connections: Callable[[], int] = lambda: 0,
    ) -> None:
        self._metrics = metrics
        self._answers = answers
        self._answers_running = answers_running
        self._jobs_running = jobs_running
        self._connections = connections

    async def run(self) -> None:
        clock = asyncio.get_running_loop().time
        tick = 0
        while True:
            if tick % _SAMPLE_EVERY == 0:
                self.sample()
            if tick % _LOOK_EVERY == 0:
                await self._look()
            before = clock()
            await asyncio.sleep(_TICK_S)
            self._metrics.families.lag.observe(max(0.0, clock() - before - _TICK_S))
            tick += 1

    def sample(self) -> None:
        """What this process has now."""
        families = self._metrics.families
        families.running.set(self._answers_running())
        families.jobs_running.set(self._jobs_running())
        families.connections.set(self._connections())
        self._metrics.delivery.flush()

    async def _look(self) -> None:
        families = self._metrics.families
        self._metrics.measure()
        try:
            waiting = await self._answers.claimable(_MOST_WAITING)
            jobs = await self._answers.claimable(_MOST_WAITING, jobs=True)
        except LogUnavailable:
            families.log_up.set(0)
            return
        families.log_up.set(1)
        families.waiting.set(len(waiting))
        families.jobs_waiting.set(len(jobs))


@asynccontextmanager
async def sampled(sampler: Sampler) -> AsyncIterator[None]:
    """Runs as long as the context lasts; what is added up by then is told at its end."""
    task = asyncio.create_task(sampler.run(), name="metrics sampler")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        sampler.sample()
