from collections.abc import Callable
from http import HTTPStatus

import pytest

from chatserver.client import Client, ProtocolError, Rejected, Unreachable
from chatserver.client.http import Doors
from chatserver.client.token import Token
from tests.client.chat_v1_server import ChatV1Server, Plan


async def test_what_is_no_problem_document(server: ChatV1Server, connect: Callable[..., Client]) -> None:
    """A proxy's own error page is a rejection with the status as its code."""
    async with connect() as client:
        server.plans = [Plan(status=HTTPStatus.BAD_GATEWAY)]
        with pytest.raises(Rejected) as caught:
            await client.answer("a")
    assert caught.value.code == "http_502"


async def test_what_is_no_json(server: ChatV1Server, connect: Callable[..., Client]) -> None:
    """A success that is not JSON is not guessed at."""
    async with connect() as client:
        server.plans = [Plan(status=HTTPStatus.OK)]
        with pytest.raises(ProtocolError):
            await client.answers("c")


async def test_nobody_there() -> None:
    """A server that is gone is unreachable over HTTP too."""
    doors = Doors("http://127.0.0.1:1", Token(), timeout_s=5)
    with pytest.raises(Unreachable):
        await doors.search("pump", top_k=3, namespace="")
    await doors.aclose()
