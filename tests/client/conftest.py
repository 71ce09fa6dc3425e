import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from chatserver.client import Backoff, Client
from tests.client.chat_v1_server import ChatV1Server


@pytest.fixture
async def server() -> AsyncIterator[ChatV1Server]:
    async with ChatV1Server().running() as server:
        yield server


@dataclass
class Pauses:
    """Stands in for `asyncio.sleep`: remembers what was asked for, and doesn't wait."""

    seconds: list[float] = field(default_factory=list)

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def connect(server: ChatV1Server, pauses: Pauses) -> Callable[..., Client]:
    def connect(**options: float) -> Client:
        return Client(
            server.url,
            backoff=Backoff(base_s=1.0, cap_s=8.0, give_up_after_s=options.get("give_up_after_s")),
            timeout_s=60.0,
            random=lambda: 0.5,
            sleep=pauses,
        )

    return connect
