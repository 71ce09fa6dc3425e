"""A wake-up for one waiter. An `asyncio.Event` does the same with a deque of 600 bytes in every connection."""

import asyncio


class Bell:
    """Rings before or while the one waiter waits wake it; many rings are one."""

    __slots__ = ("_rung", "_waiter")

    def __init__(self) -> None:
        self._rung = False
        self._waiter: asyncio.Future[None] | None = None

    def ring(self) -> None:
        self._rung = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> None:
        """Returns once it has rung since the last `wait`."""
        if not self._rung:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        self._rung = False
