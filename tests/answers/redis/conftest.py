"""A Redis for each test, because these tests stop, kill and empty it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from chatserver.answers.redis import RedisAnswerLog
from tests.contracts.redis_server import RedisServer, redis_server

Opener: TypeAlias = Callable[..., Awaitable[RedisAnswerLog]]


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as server:
        yield server


@pytest.fixture
async def open_log(redis: RedisServer) -> AsyncIterator[Opener]:
    """Opens logs on it, each as of another process; all are closed at the end."""
    async with AsyncExitStack() as stack:

        async def opened(url: str | None = None, **options: Any) -> RedisAnswerLog:
            log = await RedisAnswerLog.open(url or redis.url, **options)
            stack.push_async_callback(log.aclose)
            return log

        yield opened


@pytest.fixture
async def log(open_log: Opener) -> RedisAnswerLog:
    return await open_log()


@pytest.fixture
async def other(open_log: Opener) -> RedisAnswerLog:
    return await open_log()
