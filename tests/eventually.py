"""Waiting for what another task, thread or process is about to do."""

import asyncio
from collections.abc import Callable


async def eventually(condition: Callable[[], object], *, within_s: float = 30.0) -> None:
    """Returns once the condition holds; raises `TimeoutError` when it does not come to hold in time."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - the condition may be anything, so there is no event to wait for
            await asyncio.sleep(0.002)
