"""Time for tests that count in minutes: what falls into two of the clock's is counted by weight."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from uuid import uuid4

_ENOUGH_S = 10


async def within_one_minute() -> None:
    """Returns early in a minute, for what takes no time."""
    left_s = 60 - time.time() % 60
    if left_s < _ENOUGH_S:
        await asyncio.sleep(left_s)


async def in_one_minute(attempt: Callable[[str], Awaitable[None]]) -> None:
    """`attempt` of a user whom nobody has counted yet; again of another when a failed one lay in two minutes."""
    while True:
        minute = time.time() // 60
        try:
            return await attempt(uuid4().hex)
        except AssertionError:
            if time.time() // 60 == minute:
                raise
