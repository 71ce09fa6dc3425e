"""What the tests' server says, and reading it."""

import asyncio
from collections.abc import Callable

from chatserver.client import AnswerStream, Client, Entry
from tests.client.chat_v1_server import chunks

Connect = Callable[..., Client]
WORDS = 5
SCRIPT = chunks(WORDS)
TEXT = "".join(f"w{n} " for n in range(WORDS))


async def taken(answer: AnswerStream) -> list[Entry]:
    return [entry async for entry in answer]


async def settled(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - the condition is the test server's state
            await asyncio.sleep(0.001)
