"""One connection to Redis that many callers share, opened again by itself.

Theory of operation
    Redis answers the commands of a connection in their order, so replies need no names: a queue of futures is enough.
    Commands that are called in the same turn of the event loop leave in one write, and thus in one round trip,
    whoever called them. Nothing waits in line while Redis is away: a call fails at once, and those under way fail with
    the connection. A connection whose oldest call has waited for `patience_s` counts as dead. That is counted in looks,
    between which the loop reads: what a pause of this process, or of the whole machine, has held up is no silence.
"""

import asyncio
import random
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import hiredis
import structlog

from chatserver.redis.address import Address, Argument
from chatserver.redis.errors import RedisRefused, RedisUnavailable

log = structlog.get_logger(__name__)

PATIENCE_S = 5.0
_CONNECT_S = 2.0
_FIRST_S = 10.0
"""For the first attempt, whose failure ends whoever must have Redis: a pause of the machine is not to do that."""
_BACKOFF_S = (0.02, 0.05, 0.1, 0.2, 0.5)
"""Waits between attempts to connect, each with jitter; the last one repeats."""
_LOOKS = 4
"""At a connection, within its patience."""
_LOST = "the connection to Redis was lost"
_READ_ONLY = ("READONLY", "LOADING", "MASTERDOWN")
"""What a server says that can't be written to: another one may have taken its place at this address."""


class _Wire(asyncio.Protocol):
    """The bytes of one connection. `heard` gets each reply that no call waits for."""

    def __init__(self, heard: Callable[[Any], None], lost: Callable[[], None]) -> None:
        self._reader = hiredis.Reader()
        self._heard = heard
        self._lost = lost
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._answered = 0
        self._out: list[bytes] = []
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    def call(self, *command: Argument) -> "asyncio.Future[Any]":
        if self._transport is None:
            raise RedisUnavailable(_LOST)
        reply: asyncio.Future[Any] = self._loop.create_future()
        self._waiting.append(reply)
        self.tell(*command)
        return reply

    def pass_over(self, *command: Argument) -> None:
        """Nobody waits for the reply, which comes in line with the others."""
        self.call(*command).add_done_callback(lambda reply: reply.cancelled() or reply.exception())

    def tell(self, *command: Argument) -> None:
        """For commands whose replies are not in line with the calls."""
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(hiredis.pack_command(command))  # type: ignore[arg-type]  # its stub means a tuple of one

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not False:
                self._take(reply)
        except hiredis.ProtocolError:
            self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        while self._waiting:
            reply = self._waiting.popleft()
            if not reply.done():
                reply.set_exception(RedisUnavailable(_LOST))
        self._lost()

    def waits_for(self) -> int | None:
        """The number of the reply that is due next; None when none is."""
        return self._answered if self._waiting else None

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _take(self, reply: Any) -> None:
        if not self._waiting:
            self._heard(reply)
            return
        waiting = self._waiting.popleft()
        self._answered += 1
        if waiting.done():  # its caller has gone
            return
        if isinstance(reply, hiredis.ReplyError):
            waiting.set_exception(reply)
        else:
            waiting.set_result(reply)

    def _flush(self) -> None:
        out, self._out = self._out, []
        if self._transport is not None:
            self._transport.write(b"".join(out))


class RedisLink:
    """`open` it on the loop that uses it; `aclose` ends it. `opened` runs on each new connection before anybody may
    call, `reopened` after each but the first; `heard` gets what Redis says unasked (pub/sub). After a connection was
    lost the next one goes to `elsewhere`, when that is given.
    Without `report` the log hears nothing of it: who uses the link tells."""

    def __init__(
        self,
        address: Address,
        *,
        opened: Callable[[], Awaitable[None]] | None = None,
        reopened: Callable[[], None] = lambda: None,
        heard: Callable[[Any], None] = lambda reply: None,
        elsewhere: Callable[[], Address] | None = None,
        patience_s: float = PATIENCE_S,
        report: bool = True,
    ) -> None:
        self._address = address
        self._report = report
        self._opened = opened
        self._reopened = reopened
        self._heard = heard
        self._elsewhere = elsewhere
        self._patience_s = patience_s
        self._wire: _Wire | None = None
        self._ready = False
        self._gone = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        return self._ready and self._wire is not None and self._wire.is_open

    async def open(self, *, required: bool = True) -> None:
        """Returns once connected. Raises `RedisUnavailable` when the first attempt fails; then nothing is left open.
        When the connection is not `required` it returns all the same, and the link goes on trying."""
        try:
            await self._connect(_FIRST_S if required else _CONNECT_S)
        except RedisUnavailable:
            if required:
                raise
        self._keeper = asyncio.create_task(self._keep(), name="redis-link")

    async def call(self, *command: Argument, asking: bool = False) -> Any:
        """The reply. Raises `RedisUnavailable` while there is no connection, and `RedisRefused` for every error that
        Redis answers. With `asking` the command is one that another shard has sent here for this time."""
        wire = self._wire
        if wire is None or not self._ready:
            raise RedisUnavailable("there is no connection to Redis")
        if asking:
            wire.pass_over("ASKING")
        try:
            return await wire.call(*command)
        except hiredis.ReplyError as error:
            if str(error).startswith(_READ_ONLY):
                wire.abort()
            raise RedisRefused(str(error)) from None

    def tell(self, *command: Argument) -> None:
        """Sends when connected; a reply goes to `heard`."""
        if self._wire is not None:
            self._wire.tell(*command)

    def rebuild(self) -> None:
        """Drops the connection; the keeper opens another one."""
        if self._wire is not None:
            self._wire.abort()

    async def aclose(self) -> None:
        """Idempotent."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        self._ready = False
        if self._wire is not None and self._wire.is_open:
            self.rebuild()
            await self._gone.wait()  # the loop may end right after us

    async def _connect(self, within_s: float) -> None:
        wire: _Wire | None = None
        try:
            async with asyncio.timeout(within_s):
                self._gone.clear()
                wire = await self._dial()
                for command in self._address.greeting():
                    await wire.call(*command)
            self._wire = wire
            if self._opened is not None:
                async with asyncio.timeout(self._patience_s):
                    await self._opened()
            self._ready = True
        except (OSError, RedisUnavailable, hiredis.ReplyError) as error:  # TimeoutError is an OSError
            self._give_up(wire)
            raise RedisUnavailable(f"Redis does not answer: {_told(error)}") from None
        except BaseException:  # cancelled in the middle: nobody else knows this connection
            self._give_up(wire)
            raise

    def _give_up(self, wire: _Wire | None) -> None:
        if wire is not None:
            wire.abort()
        self._wire = None

    async def _dial(self) -> _Wire:
        loop, address = asyncio.get_running_loop(), self._address

        def make() -> _Wire:
            return _Wire(self._heard, self._gone.set)

        if address.path is not None:
            return (await loop.create_unix_connection(make, address.path))[1]
        tls = ssl.create_default_context() if address.tls else None
        return (await loop.create_connection(make, address.host, address.port, ssl=tls))[1]

    async def _keep(self) -> None:
        attempt = 0
        while True:
            if self._ready:
                await self._until_gone()
                self._ready, attempt = False, 0
                self._tell(log.warning, "connection to Redis lost")
            await asyncio.sleep(_BACKOFF_S[min(attempt, len(_BACKOFF_S) - 1)] * random.uniform(0.5, 1.5))  # noqa: S311
            attempt += 1
            if self._elsewhere is not None:
                self._address = self._elsewhere()
            try:
                await self._connect(_CONNECT_S)
                self._tell(log.info, "connected to Redis again", attempts=attempt)
                self._reopened()
            except RedisUnavailable as error:
                if attempt == 1:
                    self._tell(log.warning, "cannot connect to Redis, trying on", error=str(error))

    async def _until_gone(self) -> None:
        silent, due = 0, None
        while not self._gone.is_set():
            try:
                async with asyncio.timeout(self._patience_s / _LOOKS):
                    await self._gone.wait()
            except TimeoutError:
                before, due = due, self._wire.waits_for() if self._wire is not None else None
                silent = silent + 1 if due is not None and due == before else 0
                if silent == _LOOKS:
                    self._tell(log.warning, "Redis does not answer any more", patience_s=self._patience_s)
                    self.rebuild()

    def _tell(self, tell: Callable[..., object], event: str, **details: object) -> None:
        if self._report:
            tell(event, **details)


def _told(error: Exception) -> str:
    return str(error) or type(error).__name__
