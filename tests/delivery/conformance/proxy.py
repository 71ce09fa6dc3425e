"""A TCP proxy that is a bad network: it resets in the middle of a frame, stalls, slows down, or forgets a side."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

_CHUNK = 4096


@dataclass(eq=False, slots=True)
class _Link:
    """One client's connection through the proxy."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    said: bytearray = field(default_factory=bytearray)
    """What the client said first, up to `_CHUNK` bytes."""

    def reset(self) -> None:
        """RST to both sides: what is unsent is dropped."""
        for writer in (self.client, self.server):
            connection = writer.get_extra_info("socket")
            with suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class Proxy:
    """`async with proxy(port) as network:`; `network.url` in place of the server's."""

    def __init__(self, port: int, host: str) -> None:
        self.url = ""
        self.port = 0
        """Where it listens, for what is no WebSocket."""
        self.reset_after: int | None = None
        """Bytes from the server on one connection after which it is reset."""
        self.pause_s = 0.0
        """Waited before each piece of `_CHUNK` bytes from the server."""
        self.receive_buffer: int | None = None
        """Bytes that the server's side may have on the way; a small one makes the server wait for a slow client."""
        self._place = (host, port)
        self._up, self._down = asyncio.Event(), asyncio.Event()
        self.flow()
        self._half_open: set[_Link] = set()
        self._links: set[_Link] = set()
        self._tasks: list[asyncio.Task[object]] = []

    def stall(self) -> None:
        """Nothing is read from either side any more; what they send piles up with them."""
        self._up.clear()
        self._down.clear()

    def stop_reading(self) -> None:
        """Nothing is read from the server any more: its clients speak and do not listen."""
        self._down.clear()

    def flow(self) -> None:
        self._up.set()
        self._down.set()

    def forget(self, saying: bytes = b"") -> None:
        """The links of now become half-open: what comes is dropped, nothing is sent, no side is told. Only those whose
        clients began with something that holds `saying`."""
        self._half_open |= {link for link in self._links if saying in link.said}

    def redirect(self, port: int) -> None:
        """Another server takes the place of this one: every link is reset, and the next ones lead there."""
        self._place = (self._place[0], port)
        self.reset()

    def reset(self) -> None:
        for link in list(self._links):
            link.reset()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.append(task)
        try:
            upstream, upward = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        link = _Link(writer, upward)
        self._links.add(link)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, upward, link, down=False))
                group.create_task(self._pump(upstream, writer, link, down=True))
        except* OSError:
            pass
        finally:
            self._links.discard(link)
            for end in (writer, upward):
                end.transport.abort()

    async def aclose(self) -> None:
        """Resets every link and waits for their ends."""
        self.flow()
        self.reset()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        connection = socket.socket()
        connection.setblocking(False)
        if self.receive_buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
        try:
            await asyncio.get_running_loop().sock_connect(connection, self._place)
        except OSError:
            connection.close()
            raise
        return await asyncio.open_connection(sock=connection, limit=_CHUNK)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: _Link, *, down: bool
    ) -> None:
        forwarded = 0
        flows = self._down if down else self._up
        while piece := await reader.read(_CHUNK):
            if not down:
                link.said += piece[: _CHUNK - len(link.said)]
            await flows.wait()
            if link in self._half_open:
                continue
            if down and self.pause_s:
                await asyncio.sleep(self.pause_s)
            if down and self.reset_after is not None and forwarded + len(piece) >= self.reset_after:
                writer.write(piece[: self.reset_after - forwarded])
                await writer.drain()
                await asyncio.sleep(0.01)  # so that the piece is on its way before the reset overtakes it
                link.reset()
                return
            forwarded += len(piece)
            writer.write(piece)
            await writer.drain()
        if link not in self._half_open and writer.can_write_eof():
            writer.write_eof()


@asynccontextmanager
async def proxy(port: int, host: str = "127.0.0.1") -> AsyncIterator[Proxy]:
    """In front of a server on this machine; its links end with it."""
    network = Proxy(port, host)
    listener = await asyncio.start_server(network.serve, "127.0.0.1", 0)
    network.port = listener.sockets[0].getsockname()[1]
    network.url = f"ws://127.0.0.1:{network.port}/ws"
    try:
        yield network
    finally:
        listener.close()
        await network.aclose()
        await listener.wait_closed()
