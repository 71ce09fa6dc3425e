"""One address before several nodes, as a load balancer is: a connection goes to the next node that takes questions.

As nginx with `proxy_next_upstream error timeout` it tries the next node when one takes no connection, or ends it
before its first byte. Only when there is none left is the client refused.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias

import httpx

Place: TypeAlias = tuple[str, int]
"""Host and port of a node."""

_CHUNK = 65_536
_HEALTH_S = 5.0
"""A node that does not say whether it is ready within this is not."""


class Front:
    """`async with front(places) as address:`; `address.url` in place of a node's."""

    def __init__(self, places: Sequence[Place]) -> None:
        self.url = ""
        self.refused = 0
        """Clients for which there was no node, or whose WebSocket the node did not open."""
        self.served: Counter[Place] = Counter()
        """Connections that each node has had."""
        self._places = list(places)
        self._tasks: set[asyncio.Task[None]] = set()
        self._health = httpx.AsyncClient(timeout=_HEALTH_S, trust_env=False, limits=httpx.Limits(max_connections=None))

    def leave(self, place: Place) -> None:
        """The node gets no new connection; those that it has stay."""
        self._places.remove(place)

    def join(self, place: Place) -> None:
        self._places.append(place)

    def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._health.aclose()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            if (node := await self._begun(request)) is None:
                self.refused += 1
                return
            upstream, upward, first = node
            try:
                self.refused += not first.startswith(b"HTTP/1.1 101 ")
                writer.write(first)
                async with asyncio.TaskGroup() as group:
                    asking = group.create_task(_pump(reader, upward))
                    await group.create_task(_pump(upstream, writer))
                    asking.cancel()
            finally:
                upward.transport.abort()
        except* (OSError, asyncio.IncompleteReadError):
            pass  # one of the two has gone, and so does the other
        finally:
            writer.close()

    async def _begun(self, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes] | None:
        """The first node in turn that has answered the request with something."""
        tried: set[Place] = set()
        while place := next((place for place in self._places if place not in tried), None):
            tried.add(place)
            self._places.remove(place)  # the last in the next turn
            self._places.append(place)
            if not await self._is_ready(place):
                continue
            try:
                upstream, upward = await asyncio.open_connection(*place)
                upward.write(request)
                first = await upstream.read(_CHUNK)
            except OSError:
                continue
            if first:
                self.served[place] += 1
                return upstream, upward, first
            upward.close()
        return None

    async def _is_ready(self, place: Place) -> bool:
        host, port = place
        try:
            return (await self._health.get(f"http://{host}:{port}/readyz")).status_code == 200
        except httpx.HTTPError:
            return False


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(_CHUNK):
        writer.write(piece)
        await writer.drain()


@asynccontextmanager
async def front(places: Sequence[Place]) -> AsyncIterator[Front]:
    """Before these nodes; its connections end with it."""
    address = Front(places)
    listener = await asyncio.start_server(address.take, "127.0.0.1", 0)
    address.url = f"ws://127.0.0.1:{listener.sockets[0].getsockname()[1]}/ws"
    try:
        yield address
    finally:
        listener.close()
        await address.aclose()
        await listener.wait_closed()
