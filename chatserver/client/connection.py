"""One WebSocket to the server, from its handshake to its close."""

import asyncio
import ipaddress
import itertools
import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.typing import Subprotocol

from chatserver.client.backoff import Reaction, reaction
from chatserver.client.errors import ProtocolError, Refused, Unreachable
from chatserver.client.events import Event, Fault, Welcome, parse
from chatserver.client.token import Token

SUBPROTOCOL: Final = Subprotocol("chat.v1")
MAX_EVENT_BYTES: Final = 16 * 1024 * 1024
"""An entry can carry a whole passage or record list; a larger one is not from our server."""

_NO_CLOSE_FRAME: Final = 1006
_RETRY_STATUS: Final = frozenset({408, 425, 429})


class Connection:
    """Made by `open_connection`. `close_code` is known once `receive` has given None."""

    def __init__(self, socket: ClientConnection, heartbeat_s: float) -> None:
        self._socket = socket
        self._heartbeat_s = heartbeat_s
        self._pings = itertools.count(1)
        self.close_code = _NO_CLOSE_FRAME
        self.close_reason = ""

    async def send(self, command: Mapping[str, Any]) -> None:
        """Nothing happens on a closed connection: what matters is told again by the next one."""
        try:
            await self._socket.send(json.dumps(command, ensure_ascii=False))
        except ConnectionClosed:
            return

    async def receive(self) -> Event | None:
        """The next event; None when the connection has ended, in whatever way. Raises `ProtocolError`."""
        try:
            return parse(await self._frame())
        except ConnectionClosed as error:
            if error.rcvd is not None:
                self.close_code, self.close_reason = error.rcvd.code, error.rcvd.reason
        except TimeoutError:
            # Cut, not closed: a peer that is gone would not answer a close frame.
            self._socket.transport.abort()
        return None

    async def aclose(self) -> None:
        await self._socket.close()

    async def _frame(self) -> str | bytes:
        """The next frame. A ping goes out whenever the server has been silent for a heartbeat; a second silent
        heartbeat is a `TimeoutError`."""
        try:
            async with asyncio.timeout(self._heartbeat_s):
                return await self._socket.recv()
        except TimeoutError:
            await self.send({"type": "ping", "id": f"ping-{next(self._pings)}"})
        async with asyncio.timeout(self._heartbeat_s):
            return await self._socket.recv()


async def open_connection(url: str, token: Token, *, timeout_s: float) -> Connection:
    """Handshake and welcome. `url` is the server's HTTP address. Raises `Refused`, `Unreachable`, `ProtocolError`."""
    try:
        async with asyncio.timeout(timeout_s):
            socket = await _connect(url, token)
            return await _welcomed(socket)
    except TimeoutError:
        raise Unreachable(f"{url} does not answer") from None


async def _connect(url: str, token: Token) -> ClientConnection:
    try:
        return await connect(
            websocket_url(url),
            subprotocols=[SUBPROTOCOL],
            additional_headers=token.headers(),
            compression=None,
            max_size=MAX_EVENT_BYTES,
            ping_interval=None,  # `Connection` has its own heartbeat, one that proves the application alive
            open_timeout=None,
            close_timeout=1,
            proxy=None if is_loopback(url) else True,
        )
    except InvalidURI as error:
        raise Refused(f"{url} is no address of a chat server") from error
    except InvalidStatus as error:
        status = error.response.status_code
        if 400 <= status < 500 and status not in _RETRY_STATUS:
            raise Refused(f"{url} refused the connection (HTTP {status})") from error
        retry_after_s = _seconds(error.response.headers.get("Retry-After"))
        raise Unreachable(f"{url} is busy (HTTP {status})", retry_after_s=retry_after_s) from error
    except (OSError, InvalidHandshake, EOFError) as error:
        raise Unreachable(f"no chat server answers at {url}") from error


async def _welcomed(socket: ClientConnection) -> Connection:
    """The first event is `welcome`, or an `error` that says why not."""
    try:
        event = parse(await socket.recv())
    except ConnectionClosed as error:
        if error.rcvd and reaction(error.rcvd.code) in {Reaction.GIVE_UP, Reaction.AUTHENTICATE}:
            raise Refused(f"the server refused the connection ({error.rcvd.code} {error.rcvd.reason})") from error
        raise Unreachable("the server closed the connection before its welcome") from error
    except BaseException:
        socket.transport.abort()
        raise
    if isinstance(event, Welcome) and event.heartbeat_s > 0:
        return Connection(socket, event.heartbeat_s)
    await socket.close()
    if isinstance(event, Fault):
        raise Unreachable(f"{event.message} ({event.code})", retry_after_s=event.retry_after_s)
    raise ProtocolError("the server's first event is not a welcome")


def websocket_url(url: str) -> str:
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    return urlunsplit((scheme, parts.netloc, parts.path.rstrip("/") + "/ws", "", ""))


def is_loopback(url: str) -> bool:
    """No proxy stands between us and our own machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _seconds(header: str | None) -> float | None:
    return float(header) if header is not None and header.isdigit() else None
