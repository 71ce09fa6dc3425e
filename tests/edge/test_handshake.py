"""Connections that bring no request, or too much of one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, ClassVar, TypeAlias

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from chatserver.edge.handshake import PatientH11
from tests.eventually import eventually

Stream: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers at once, whatever of a body is still to come."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def protocol() -> type[PatientH11]:
    class Patient(PatientH11):
        HEADERS_S = 0.3
        HALF_OPEN = 3
        LINGER_S = 0.1
        _half_open: ClassVar[dict[PatientH11, asyncio.TimerHandle]] = {}

    return Patient


@pytest.fixture
async def connect(protocol: type[PatientH11]) -> AsyncIterator[Callable[[], Any]]:
    """Opens connections to a server with that protocol; all are closed at the end."""
    config = uvicorn.Config(app, http=protocol, lifespan="off", log_config=None, timeout_keep_alive=30, port=0)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())
    await eventually(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    writers: list[asyncio.StreamWriter] = []

    async def connect() -> Stream:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writers.append(writer)
        return reader, writer

    yield connect
    for writer in writers:
        writer.close()
    server.should_exit = True
    await serving


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What the connection said until its end."""
    async with asyncio.timeout(30):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


@asynccontextmanager
async def answered(stream: Stream) -> AsyncIterator[bytes]:
    reader, writer = stream
    writer.write(REQUEST)
    async with asyncio.timeout(30):
        head = await reader.readuntil(b"\r\n\r\n")
        yield head + await reader.readexactly(2)


@pytest.mark.parametrize("begun", [b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "])
async def test_a_request_that_does_not_come(
    connect: Callable[[], Any], protocol: type[PatientH11], begun: bytes
) -> None:
    """The connection is ended, however much of a head was sent, and nothing is kept of it."""
    reader, writer = await connect()
    writer.write(begun)
    assert await ended(reader) == b""
    assert not protocol._half_open


async def test_a_head_that_drips_is_ended_too(connect: Callable[[], Any]) -> None:
    """Sending a byte now and then (slow loris) wins no time."""
    reader, writer = await connect()
    ending = asyncio.create_task(ended(reader))
    for byte in b"GET / HTTP/1.1\r\n" + b"X-Slow: 1\r\n" * 10_000:
        if ending.done():
            break
        writer.write(bytes([byte]))
        await asyncio.sleep(0.01)
    assert ending.done()


async def test_a_second_request_that_drips_is_ended_too(connect: Callable[[], Any], protocol: type[PatientH11]) -> None:
    """A connection that was answered once is trusted no further."""
    protocol.HEADERS_S = 60.0
    stream = await connect()
    async with answered(stream) as response:
        assert response.endswith(b"ok")
    protocol.HEADERS_S = 0.3
    stream[1].write(b"GET / HT")
    assert await ended(stream[0]) == b""


async def test_requests_on_one_connection(connect: Callable[[], Any], protocol: type[PatientH11]) -> None:
    """Whoever sends whole requests is answered, one after the other, and waited for no longer."""
    protocol.HEADERS_S = 60.0
    stream = await connect()
    for _ in range(3):
        async with answered(stream) as response:
            assert response.endswith(b"ok")
    assert not protocol._half_open


async def test_the_oldest_makes_place(connect: Callable[[], Any], protocol: type[PatientH11]) -> None:
    """Of connections without a request so many stay; a whole request is answered beside them."""
    protocol.HEADERS_S = 60.0
    silent = []
    for number in range(4):
        silent.append(await connect())
        await eventually(lambda number=number: len(protocol._half_open) == min(3, number + 1))  # type: ignore[misc]
    assert await ended(silent[0][0]) == b""
    async with answered(await connect()) as response:
        assert response.endswith(b"ok")


async def test_an_upload_after_its_answer_is_ended(connect: Callable[[], Any]) -> None:
    """The rest of a gigabyte is not taken."""
    _, writer = await connect()
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
    sent = 0
    with suppress(ConnectionError):
        async with asyncio.timeout(60):
            while sent < 1_000_000_000:
                writer.write(b"x" * 65536)
                await writer.drain()
                await asyncio.sleep(0)
                sent += 65536
    assert sent < 1_000_000_000
