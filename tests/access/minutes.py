"""Time for tests that count in minutes."""

import asyncio
import time

_ENOUGH_S = 10


async def within_one_minute() -> None:
    """Returns early in one of the clock's minutes: what falls into two windows is counted by weight."""
    left_s = 60 - time.time() % 60
    if left_s < _ENOUGH_S:
        await asyncio.sleep(left_s)
