"""How one ingest is followed, and what it does while an upstream is away."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from chatserver.ingest.ledger import Seen, SeenOnce
from chatserver.ingest.report import Problem, Progress, no_progress
from retrieval.errors import Temporary

T = TypeVar("T")

Pause = Callable[[Temporary], Awaitable[None]]
"""Waits until an upstream may answer again; raises the error when that is not to be waited for."""


class Patiently(Protocol):
    """Does the work; again after a while, when that may help."""

    async def __call__(self, work: Callable[[], Awaitable[T]]) -> T: ...


async def no_pause(error: Temporary) -> None:
    """For callers who would rather know."""
    raise error


async def until_done(work: Callable[[], Awaitable[T]], pause: Pause) -> T:
    """Its result, tried anew after each pause."""
    while True:
        try:
            return await work()
        except Temporary as error:
            await pause(error)


@dataclass(frozen=True, slots=True)
class Watching:
    """Who is told of one ingest, what it has seen, and what it does when an upstream is away."""

    progress: Progress = no_progress
    seen: Seen = field(default_factory=lambda: SeenOnce({}))
    pause: Pause = no_pause
    problem: Callable[[Problem], None] = lambda problem: None
