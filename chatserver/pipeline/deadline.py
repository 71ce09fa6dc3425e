"""One deadline over many awaits of one task.

`asyncio.timeout` around each token's await costs 5 µs a token, as much as sending it; around the whole answer it can't
stand, for the answer is an async generator, and a timeout that is open across a `yield` would cancel whatever its
consumer awaits. Here one timer serves all awaits, and cancels only while one of them is running.
"""

import asyncio
from collections.abc import Awaitable
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")


class DeadlineExpired(Exception):
    """The deadline passed while something was awaited."""


class Deadline:
    """`with Deadline(seconds) as deadline:` and `await deadline.wait(work)`; for one task at a time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._expired = False
        self._waiting: asyncio.Task[object] | None = None
        self._cancelled = False

    def __enter__(self) -> Self:
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._expire)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()

    async def wait(self, work: Awaitable[T]) -> T:
        """The work's result. Raises `DeadlineExpired` when the deadline passes first; then the work was cancelled. An
        outer cancellation is passed on as such."""
        self._waiting = asyncio.current_task()
        asked_before = self._waiting.cancelling() if self._waiting else 0
        if self._expired:
            self._expire()
        try:
            return await work
        except asyncio.CancelledError as error:
            if self._cancelled and self._waiting and self._waiting.cancelling() == asked_before + 1:
                raise DeadlineExpired from error
            raise
        finally:
            if self._cancelled and self._waiting:
                self._waiting.uncancel()
            self._cancelled, self._waiting = False, None

    def _expire(self) -> None:
        self._expired = True
        if self._waiting is not None:
            self._cancelled = True
            self._waiting.cancel()
