"""One answer told on one HTTP response: the response as the socket of a connection.

Theory of operation
    The same connection that serves a WebSocket tails the log for a response: one writer, a bounded turn, a peer that
    stopped reading dropped after the same time. The head of a stream goes out at once; that of a document with its
    first text, so that a script which says nothing before the end may still choose the status. A response that has to
    end before its answer, without a word for that in its protocol, is broken off: a client must not take what it has
    for the whole.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from chatserver.access.identity import Identity
from chatserver.delivery.manager import ConnectionManager
from chatserver.delivery.socket import SocketClosed
from chatserver.edge.problems import Problem, problem_response
from chatserver.protocol.codes import CloseCode, ErrorCode
from chatserver.protocol.streams import Telling


@dataclass(slots=True)
class Head:
    """Status and headers of the response; open to change until the first text, unless it goes out `at_once`."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    at_once: bool = True


class ResponseSocket:
    def __init__(self, receive: Receive, send: Send, head: Head, *, breaks_off: bool) -> None:
        self._receive = receive
        self._send = send
        self._head = head
        self._breaks_off = breaks_off
        self._ended = False
        self.begun = False
        self.left = False
        """The client has gone."""
        self.sent = 0

    async def receive(self) -> str | bytes:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.left = not self._ended
        raise SocketClosed

    async def send(self, frames: Sequence[str]) -> None:
        if text := "".join(frames):
            await self._body(text, more=True)
            await asyncio.sleep(0)  # a peer that is gone is heard of only when the loop has a turn
        self.sent += len(frames)

    async def close(self, code: int, reason: str) -> None:
        """A clean end after the whole answer, and where the script had its own words for the early end; to a reader
        that is too slow none are said."""
        if self._ended or (not self.begun and code != CloseCode.DONE):
            return
        if code == CloseCode.DONE or not (self._breaks_off or code == CloseCode.TOO_SLOW):
            with suppress(SocketClosed):
                await self._body("", more=False)
        self._ended = True

    async def begin(self) -> None:
        """The head, once. Raises `SocketClosed`."""
        if not self.begun:
            self.begun = True
            await self._say({"type": "http.response.start", "status": self._head.status, "headers": self._raw()})

    async def _body(self, text: str, *, more: bool) -> None:
        if self._ended:
            raise SocketClosed
        await self.begin()
        self._ended = not more
        await self._say({"type": "http.response.body", "body": text.encode(), "more_body": more})

    async def _say(self, message: Message) -> None:
        try:
            await self._send(message)
        except (OSError, RuntimeError) as error:
            self._ended = True
            raise SocketClosed from error

    def _raw(self) -> list[tuple[bytes, bytes]]:
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self._head.headers.items()]


EVENT_STREAM: Mapping[str, str] = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",  # nginx gathers a response otherwise
}


class StreamedAnswer(Response):
    """The response. `on_leave` is called when the client has gone before the answer's end."""

    def __init__(
        self,
        connections: ConnectionManager,
        identity: Identity,
        telling: Telling,
        head: Head,
        *,
        breaks_off: bool = False,
        on_leave: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._connections = connections
        self._identity = identity
        self._telling = telling
        self._head = head
        self._breaks_off = breaks_off
        self._on_leave = on_leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket = ResponseSocket(receive, send, self._head, breaks_off=self._breaks_off)
        if self._head.at_once:
            with suppress(SocketClosed):  # the connection hears of it as well
                await socket.begin()
        await self._connections.serve(socket, self._identity, self._telling)
        if socket.left and not self._telling.whole:
            if self._on_leave is not None:
                await self._on_leave()
        elif not socket.begun and not socket.left:
            detail = "This server is restarting; the answer goes on, ask for it again."
            await problem_response(Problem(503, ErrorCode.DRAINING, detail, retry_after_s=1))(scope, receive, send)
