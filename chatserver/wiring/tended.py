"""Work beside what a context is opened for."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def tended(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """Done as long as the context lasts. What it fails with ends the context, and is raised there: a process must not
    look well and do nothing."""
    try:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(work, name=name)
            yield
            task.cancel()
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
