"""The WebSocket's door: who may come in, and what a browser sees of a refusal."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import websockets
from starlette.types import Message
from websockets.asyncio.client import ClientConnection, connect

from chatserver.delivery.socket import SocketClosed
from chatserver.edge.identity import is_allowed_origin
from chatserver.edge.websocket import AsgiSocket
from tests.delivery.served import System, served


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[System]:
    async with served(tmp_path, log="memory") as system:
        yield system


def knock(system: System, *, subprotocols: Sequence[str] | None = ("chat.v1",), **headers: str) -> connect:
    protocols: Any = subprotocols
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return websockets.connect(
        system.url, subprotocols=protocols, additional_headers=named, compression=None, open_timeout=60
    )


async def refused(socket: ClientConnection) -> int | None:
    with pytest.raises(websockets.ConnectionClosed):
        await socket.recv()
    return socket.close_code


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(None, None), (("chat.v1",), "chat.v1"), (("chat.v2", "chat.v1"), "chat.v1")],
)
async def test_the_subprotocol_is_chosen(system: System, offered: Sequence[str] | None, chosen: str | None) -> None:
    """The one that both know; a client that offers none is taken as it is."""
    async with knock(system, subprotocols=offered, x_user="ada") as socket:
        assert socket.subprotocol == chosen
        assert '"welcome"' in str(await socket.recv())


async def test_a_subprotocol_that_is_unknown_is_refused(system: System) -> None:
    """1008: do not retry as is."""
    async with knock(system, subprotocols=("chat.v9",), x_user="ada") as socket:
        assert await refused(socket) == 1008


async def test_nobody_is_asked_to_authenticate(system: System) -> None:
    """4401, which a browser sees because the handshake is completed first."""
    async with knock(system) as socket:
        assert await refused(socket) == 4401


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "http://[::1", "http://{address}.evil.example"])
async def test_a_page_of_elsewhere_is_forbidden(system: System, origin: str) -> None:
    """4403 for another origin, and for one that is no origin at all; the server's log shows no error."""
    async with knock(system, x_user="ada", origin=origin.format(address=system.address)) as socket:
        assert await refused(socket) == 4403


async def test_a_page_of_this_server_is_welcome(system: System) -> None:
    """Its origin is the host that it speaks to."""
    async with knock(system, x_user="ada", origin=f"http://{system.address}") as socket:
        assert '"welcome"' in str(await socket.recv())


@pytest.mark.parametrize(
    ("headers", "same"),
    [
        ([(b"host", b"a:1")], True),
        ([(b"host", b"a:1"), (b"origin", b"http://a:1")], True),
        ([(b"host", b"a:1"), (b"origin", b"http://a:2")], False),
        ([(b"host", b"a:1"), (b"origin", b"http://a")], False),
        ([(b"host", b"a:1"), (b"origin", b"\xff\xfe")], False),
        ([(b"origin", b"null")], False),
        ([(b"origin", b"")], False),
    ],
)
def test_an_origin_is_the_host_or_foreign(headers: list[tuple[bytes, bytes]], same: bool) -> None:
    """Without a host nothing is the same as it."""
    assert is_allowed_origin({"headers": headers}) is same


class Server:
    """The other side of an ASGI socket, which says that the peer is gone in its own way."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.sent: list[Message] = []
        self.incoming: list[Message] = []

    async def receive(self) -> Message:
        return self.incoming.pop(0)

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        if self.failure is not None:
            raise self.failure


@pytest.mark.parametrize("failure", [OSError("gone"), RuntimeError("Unexpected ASGI message 'websocket.send'")])
async def test_every_way_of_being_gone_is_one(failure: Exception) -> None:
    """`SocketClosed`, once and from then on; nothing is sent after it, the close neither."""
    server = Server(failure)
    socket = AsgiSocket(server.receive, server.send)
    for _ in range(2):
        with pytest.raises(SocketClosed):
            await socket.send(["a", "b"])
    await socket.close(1000, "")
    assert len(server.sent) == 1
    assert socket.sent == 0


async def test_a_closed_socket_stays_closed() -> None:
    """One close message, whoever asks for it; a close that fails is no error."""
    for failure in (None, OSError("gone"), RuntimeError("closed")):
        server = Server(failure)
        socket = AsgiSocket(server.receive, server.send)
        await socket.close(1012, "restart")
        await socket.close(1000, "again")
        with pytest.raises(SocketClosed):
            await socket.send(["late"])
        assert server.sent == [{"type": "websocket.close", "code": 1012, "reason": "restart"}]


async def test_text_bytes_and_the_end() -> None:
    """What the server hands over; a disconnect ends receiving and sending."""
    server = Server()
    socket = AsgiSocket(server.receive, server.send)
    server.incoming = [
        {"type": "websocket.receive", "text": ""},
        {"type": "websocket.receive", "text": None, "bytes": b"x"},
        {"type": "websocket.disconnect", "code": 1006},
    ]
    assert await socket.receive() == ""
    assert await socket.receive() == b"x"
    with pytest.raises(SocketClosed):
        await socket.receive()
    with pytest.raises(SocketClosed):
        await socket.send(["late"])
    assert server.sent == []
