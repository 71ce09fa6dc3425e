"""All connections of this process: admitting, watching for stalled peers, draining, closing."""

import asyncio
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from chatserver.access.identity import Identity
from chatserver.access.quotas import UNLIMITED, Quotas
from chatserver.answers.log import AnswerLog
from chatserver.answers.meta import AnswerMeta
from chatserver.delivery.connection import Connection
from chatserver.delivery.feeds import Feeds
from chatserver.delivery.performer import LogPerformer
from chatserver.delivery.socket import Socket
from chatserver.delivery.timeline import Timeline
from chatserver.delivery.watch import UNWATCHED, DeliveryWatch
from chatserver.generation.generations import Generations
from chatserver.protocol.codes import CloseCode, ErrorCode
from chatserver.protocol.commands import Ask, InvalidCommand
from chatserver.protocol.events import Welcome
from chatserver.protocol.session import Conversation, Limits
from chatserver.tracing.port import UNTRACED, Tracer

_SWEEP_S = 1.0


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """`stall_s`: how long one send may wait for the peer. A drain tells each client when to reconnect, the first after
    `soonest_retry_ms`, and about `reconnects_per_s` of them in a second. `provider_keys`: whether a question may bring
    a key of its own."""

    limits: Limits
    server: str
    heartbeat_s: float = 20.0
    stall_s: float = 10.0
    soonest_retry_ms: int = 100
    reconnects_per_s: float = 2000.0
    provider_keys: bool = False


class ConnectionManager:
    """`async with ConnectionManager(…)`: leaving it closes every connection, once, and waits for their ends."""

    def __init__(
        self,
        answers: AnswerLog,
        generations: Generations,
        policy: DeliveryPolicy,
        *,
        quotas: Quotas = UNLIMITED,
        watch: DeliveryWatch = UNWATCHED,
        tracer: Tracer = UNTRACED,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        rng: random.Random | None = None,
    ) -> None:
        self._policy = policy
        self._watch = watch
        self._tracer = tracer
        self._clock = clock
        self._wall_clock = wall_clock
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._feeds = Feeds(answers)
        self._timeline = Timeline(answers)
        self._performer = LogPerformer(
            answers,
            generations,
            self._timeline,
            provider_keys=policy.provider_keys,
            quotas=quotas,
            watch=watch,
            tracer=tracer,
        )
        self._connections: dict[str, Connection] = {}
        self._gone = asyncio.Event()
        self._draining = False
        self._closed: tuple[CloseCode, str] | None = None
        """How a connection that still comes is to be closed."""
        self._tasks: list[asyncio.Task[None]] = []
        self._group = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        await self._feeds.__aenter__()
        self._tasks = [self._group.create_task(self._timeline.run()), self._group.create_task(self._sweep())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Connections first: they tail feeds and note times. Then the feeds, then what writes the times.
        await self.close_all(CloseCode.RESTART, "restart")
        await self._feeds.__aexit__(kind, error, trace)
        for task in self._tasks:
            task.cancel()
        await self._timeline.flush()
        await self._group.__aexit__(kind, error, trace)

    def __len__(self) -> int:
        return len(self._connections)

    @property
    def limits(self) -> Limits:
        return self._policy.limits

    async def ask(self, identity: Identity, ask: Ask) -> AnswerMeta:
        """For doors that ask before they have anything to send on. Raises `InvalidCommand`, `LogUnavailable`."""
        if self._draining:
            message = "This server is restarting; ask again."
            raise InvalidCommand(ErrorCode.DRAINING, message, id=ask.reply_to, retry_after_ms=self._retry_ms())
        return await self._performer.ask(identity, ask)

    async def serve(self, socket: Socket, identity: Identity, conversation: Conversation) -> None:
        """Serves one accepted socket until it ends."""
        connection = Connection(
            uuid.uuid4().hex[:16],
            identity,
            socket,
            conversation,
            self._feeds,
            self._performer,
            self._watch,
            self._tracer,
        )
        self._connections[connection.id] = connection
        self._watch.opened()
        try:
            connection.greet(self._welcome(connection))
            if self._draining:
                connection.drain(self._retry_ms())
            if self._closed is not None:
                connection.finish(*self._closed)
            await connection.run()
        finally:
            del self._connections[connection.id]
            self._watch.closed(connection.ended_with)
            self._gone.set()

    def drain(self) -> None:
        """Tells every client, each with its own time, to expect a restart."""
        self._draining = True
        for connection in self._connections.values():
            connection.drain(self._retry_ms())

    async def close_all(self, code: CloseCode, reason: str, *, within_s: float | None = None) -> None:
        """Closes every connection once it has been sent what the log has for it, and waits for all ends; a peer that
        does not read is waited for no longer than `within_s`, by default `stall_s`."""
        self._closed = (code, reason)
        for connection in list(self._connections.values()):
            connection.finish(code, reason)
        deadline = self._clock() + (self._policy.stall_s if within_s is None else within_s)
        while self._connections:
            self._gone.clear()
            try:
                async with asyncio.timeout(max(0.0, deadline - self._clock())):
                    await self._gone.wait()
            except TimeoutError:
                for connection in list(self._connections.values()):
                    connection.drop_slow()
                deadline = self._clock() + self._policy.stall_s

    def _welcome(self, connection: Connection) -> Welcome:
        return Welcome(
            connection=connection.id,
            server=self._policy.server,
            heartbeat_s=self._policy.heartbeat_s,
            max_message_bytes=self._policy.limits.max_message_bytes,
        )

    def _retry_ms(self) -> int:
        """Spread so wide that the process which serves next sees at most so many reconnects a second."""
        soonest = self._policy.soonest_retry_ms
        spread = max(1000, round(len(self._connections) / self._policy.reconnects_per_s * 1000))
        return self._rng.randint(soonest, soonest + spread)

    async def _sweep(self) -> None:
        """Drops the connections whose peer has not read for too long, and ends those whose user's token has expired:
        their answers go on, for a later connection. Patience counts only while this process runs: in a pause of its
        own it has not seen what peers take."""
        seen, patience_s = self._clock(), 0.0
        while True:
            await asyncio.sleep(_SWEEP_S)
            now, wall_now = self._clock(), self._wall_clock()
            patience_s += min(now - seen, 2 * _SWEEP_S)
            seen = now
            for connection in list(self._connections.values()):
                if connection.has_expired(wall_now):
                    connection.close(CloseCode.UNAUTHENTICATED, "token expired")
                if connection.has_stalled(patience_s, self._policy.stall_s):
                    connection.drop_slow()
