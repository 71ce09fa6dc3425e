from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.models.openai_server import OpenAIServer, openai_server


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def running() -> AsyncIterator[OpenAIServer]:
    """For the tests of one module, which share its loop."""
    async with openai_server() as server:
        yield server


@pytest.fixture
def server(running: OpenAIServer) -> OpenAIServer:
    """As if it had just started."""
    running.reset()
    return running
