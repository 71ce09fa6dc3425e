"""The WebSocket doors: an ASGI WebSocket as the socket of a connection.

Written against raw ASGI: on the sending path every layer is a cost per token.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from chatserver.access.quotas import Exceeded
from chatserver.delivery.manager import ConnectionManager
from chatserver.delivery.socket import SocketClosed
from chatserver.edge.gate import Gate, close_code, too_much
from chatserver.edge.identity import BEARER_PROTOCOL
from chatserver.edge.problems import Problem
from chatserver.protocol.ai_sdk import AiSdkSession
from chatserver.protocol.codes import CloseCode
from chatserver.protocol.events import SUBPROTOCOL, Error
from chatserver.protocol.session import Conversation, Limits, Session

_TURN = 64
"""Frames sent without giving the event loop a turn: before it has one, nobody hears that the peer is gone."""


class AsgiSocket:
    """Whatever way a server says that the peer is gone becomes `SocketClosed`."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._closed = False
        self.sent = 0

    async def receive(self) -> str | bytes:
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self._closed = True
            raise SocketClosed
        text: str | None = message.get("text")
        return text if text is not None else message["bytes"]

    async def send(self, frames: Sequence[str]) -> None:
        if self._closed:
            raise SocketClosed
        try:
            for count, frame in enumerate(frames, 1):
                await self._send({"type": "websocket.send", "text": frame})
                self.sent += 1
                if count % _TURN == 0:
                    await asyncio.sleep(0)
        except (OSError, RuntimeError) as error:  # uvicorn: ClientDisconnected (an OSError), or "after … close"
            self._closed = True
            raise SocketClosed from error

    async def close(self, code: int, reason: str) -> None:
        if self._closed:
            return
        self._closed = True
        with suppress(OSError, RuntimeError):  # gone already
            await self._send({"type": "websocket.close", "code": int(code), "reason": reason})


@dataclass(frozen=True, slots=True)
class Language:
    """What is spoken on a WebSocket. Without a `subprotocol` of its own it takes the first one that is offered: a
    browser wants one of its own to be chosen."""

    subprotocol: str | None
    conversation: Callable[[Limits], Conversation]


CHAT = Language(SUBPROTOCOL, Session)
AI_SDK = Language(None, AiSdkSession)


class ChatSocket:
    """The ASGI application behind `/ws` and `/ws/ai-sdk`. A refusal is accepted first: only so does a browser see the
    close code."""

    def __init__(self, language: Language = CHAT) -> None:
        self._language = language

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        system = scope["app"].state.system
        connections: ConnectionManager = system.connections
        gate: Gate = scope["app"].state.gate
        offered = [name for name in scope.get("subprotocols", []) if not name.startswith(BEARER_PROTOCOL)]
        wanted = self._language.subprotocol or next(iter(offered), None)
        subprotocol = wanted if wanted in offered else None
        await receive()  # websocket.connect
        socket = AsgiSocket(receive, send)
        try:
            await send({"type": "websocket.accept", "subprotocol": subprotocol})
        except (OSError, RuntimeError):
            return
        try:
            identity = await gate.socket(scope)
        except Problem as problem:
            system.metrics.delivery.turned_away(close_code(problem))
            await socket.close(close_code(problem), problem.detail)
            return
        if offered and subprotocol is None:
            system.metrics.delivery.turned_away(CloseCode.POLICY)
            await socket.close(CloseCode.POLICY, f"offer subprotocol {wanted}")
            return
        try:
            with gate.quotas.connection(identity):
                await connections.serve(socket, identity, self._language.conversation(connections.limits))
        except Exceeded as error:
            system.metrics.delivery.turned_away(close_code(too_much(error)))
            told = Error(code=error.code, message=error.message, retry_after_ms=round(error.retry_after_s * 1000))
            with suppress(SocketClosed):
                await socket.send([told.frame()])
            await socket.close(close_code(too_much(error)), error.message)


class SocketDoor:
    """Leads one WebSocket path to its door and everything else on. A route would do the same behind Starlette's
    exception handling, which wraps each send in a coroutine of its own."""

    def __init__(self, app: ASGIApp, path: str, door: ASGIApp) -> None:
        self._app = app
        self._path = path
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        here = scope["type"] == "websocket" and scope["path"] == scope.get("root_path", "") + self._path
        await (self._door if here else self._app)(scope, receive, send)
