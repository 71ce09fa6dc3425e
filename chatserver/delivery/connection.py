"""One connection: a reader, a worker for commands, and the one writer, around a pure session.

Theory of operation
    The reader never waits for anything but the next frame, so that pings are answered and a stop can be read while
    an answer runs. Commands that need the log go to the worker, in order. Only the writer touches the socket's
    sending side, and only the writer closes it, once, after what was said before the close.

    Nothing is queued per entry. The writer holds a cursor for each answer and takes frames from the shared feed as
    fast as the peer reads them; a peer that stops reading costs its cursor, and after `stall_s` its connection.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from chatserver.access.identity import Identity
from chatserver.answers.log import LogUnavailable
from chatserver.delivery.bell import Bell
from chatserver.delivery.feed import Feed
from chatserver.delivery.feeds import Feeds
from chatserver.delivery.outbox import Outbox, Tail
from chatserver.delivery.socket import Socket, SocketClosed
from chatserver.delivery.watch import UNWATCHED, DeliveryWatch
from chatserver.protocol import events
from chatserver.protocol.codes import CloseCode, ErrorCode
from chatserver.protocol.session import Close, Conversation, Effect, Follow, Perform, Send, Unfollow
from chatserver.tracing.port import UNTRACED, Tracer

log = structlog.get_logger(__name__)

COMMANDS = 64
"""Commands of one connection that may wait for the log."""
_CLOSE_S = 0.5


class Performer(Protocol):
    """Carries out the commands that need the log."""

    async def perform(self, identity: Identity, session: Conversation, command: Perform) -> Sequence[Effect]: ...

    def sending(self, answer: str) -> None:
        """The answer's first entry is about to be sent to this connection."""

    def delivered(self, answer: str) -> None:
        """The answer's last entry was sent to this connection."""


class Connection:
    def __init__(
        self,
        id: str,
        identity: Identity,
        socket: Socket,
        session: Conversation,
        feeds: Feeds,
        performer: Performer,
        watch: DeliveryWatch = UNWATCHED,
        tracer: Tracer = UNTRACED,
    ) -> None:
        self.id = id
        self.identity = identity
        self._socket = socket
        self._session = session
        self._feeds = feeds
        self._performer = performer
        self._watch = watch
        self._tracer = tracer
        self.ended_with = CloseCode.GOING_AWAY
        """What its end is called once it has ended; as it stands, the peer left."""
        self._outbox = Outbox()
        self._first: Sequence[Follow] = ()
        """What it follows from the beginning."""
        self._commands: list[Perform] = []
        self._worker: asyncio.Task[None] | None = None
        self._work = Bell()
        self._closing: Close | None = None
        self._finishing: Close | None = None
        self._sending: asyncio.Timeout | None = None
        self._is_sending = False
        self._progress = (-1, 0.0)
        """How many frames the peer had taken when `has_stalled` last saw it take one, and when: none seen yet."""

    def greet(self, welcome: events.Welcome) -> None:
        """Before anything else is said."""
        opened = self._session.opened(welcome)
        self._first = [effect for effect in opened if isinstance(effect, Follow)]
        self._apply([effect for effect in opened if not isinstance(effect, Follow)])

    async def run(self) -> None:
        """Serves the connection until either side ends it."""
        try:
            async with asyncio.TaskGroup() as group:
                await self._open_tails(self._first)
                reader = group.create_task(self._read(group))
                await self._write_until_closed()
                reader.cancel()
                if self._worker is not None:
                    self._worker.cancel()
        except* SocketClosed:
            pass
        finally:
            self._session.close(CloseCode.GOING_AWAY, "peer left")
            for tail in self._outbox.tails.values():
                _end(tail)
                self._feeds.unsubscribe(tail.feed, self._work.ring)
        while self._commands:  # said before the peer left: an ack or a stop counts, an answer waits for its resume
            await self._performer.perform(self.identity, self._session, self._commands.pop(0))

    def drain(self, retry_after_ms: int) -> None:
        """Tells the client to expect a restart; answers under way go on."""
        self._apply(self._session.drain(retry_after_ms))

    def close(self, code: CloseCode, reason: str) -> None:
        """Closes after the events that wait. Idempotent; the first code stays."""
        self._apply(self._session.close(code, reason))

    def finish(self, code: CloseCode, reason: str) -> None:
        """Closes after everything that the log has for this connection by now was sent."""
        self._finishing = Close(code, reason)
        self._work.ring()

    def has_expired(self, now: float) -> bool:
        """Whether its user may not be served any more. `now` is in seconds since the Unix epoch."""
        return self.identity.expires_at is not None and self.identity.expires_at <= now

    def has_stalled(self, now: float, stall_s: float) -> bool:
        """Whether a send has waited for `stall_s` without one frame taken, as far as the calls of this method tell."""
        sent, since = self._progress
        if not self._is_sending or sent != self._socket.sent:
            self._progress = (self._socket.sent, now)
            return False
        return now - since >= stall_s

    def drop_slow(self) -> None:
        """Ends a connection whose peer has stopped reading, without waiting for it. Idempotent."""
        self._session.close(CloseCode.TOO_SLOW, "too slow")
        sending, self._sending = self._sending, None
        if sending is not None:  # else it was dropped already, or has ended
            sending.reschedule(asyncio.get_running_loop().time())

    async def _read(self, group: asyncio.TaskGroup) -> None:
        while True:
            for effect in self._session.receive(await self._socket.receive()):
                if self._outbox.full:
                    await asyncio.sleep(0)  # a burst of commands is not yet a slow peer: the writer's turn
                if not isinstance(effect, Perform):
                    self._apply([effect])
                elif len(self._commands) >= COMMANDS:
                    self._apply(self._refuse(effect))
                else:
                    self._commands.append(effect)
                    if self._worker is None:
                        self._worker = group.create_task(self._perform())

    def _refuse(self, effect: Perform) -> list[Effect]:
        message = "Too many commands are waiting on this connection."
        return self._session.failed(
            ErrorCode.TOO_MANY_COMMANDS, message, id=effect.command.reply_to, retry_after_ms=1000
        )

    async def _perform(self) -> None:
        """The worker: lives while there are commands, so that an idle connection has none."""
        while self._commands:
            effects = await self._performer.perform(self.identity, self._session, self._commands.pop(0))
            await self._open_tails(effects)
        self._worker = None

    async def _open_tails(self, effects: Sequence[Effect]) -> None:
        """Applies the effects in order; a `Follow` first fetches its feed, a `Perform` is the worker's next but those
        that wait."""
        for effect in effects:
            match effect:
                case Follow():
                    await self._follow(effect)
                case Perform():
                    self._commands.append(effect)
                case _:
                    self._apply([effect])

    async def _follow(self, follow: Follow) -> None:
        try:
            feed = await self._feeds.subscribe(follow.answer, self._work.ring)
        except LogUnavailable as error:
            log.warning("answer cannot be followed now", answer=follow.answer, error=str(error))
            self.close(CloseCode.TRY_LATER, "the answer log is away")
            return
        if feed is not None and feed.epoch == follow.epoch:
            if (before := self._outbox.tails.get(follow.name)) is not None:
                _end(before)
            span = self._tracer.begin(
                "delivery", follow.answer, caller=feed.caller, connection=self.id, start=follow.first
            )
            self._outbox.tails[follow.name] = Tail(feed, follow.first, follow.live, follow.form, span)
            self._work.ring()
            return
        if feed is not None:
            self._unsubscribe(feed)
        self.close(CloseCode.RESTART, "the answer's log went back")  # after what was said of it: a resume tells anew

    def _apply(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(event):
                    self._queue(event.frame())
                case Close():
                    self._closing = effect
                case Unfollow(delivery):
                    self._drop_tail(delivery)
        self._work.ring()

    def _queue(self, frame: str) -> None:
        if self._outbox.full:
            self.close(CloseCode.TOO_SLOW, "too many events are waiting")
        else:
            self._outbox.events.append(frame)

    def _drop_tail(self, delivery: str) -> None:
        tail = self._outbox.tails.pop(delivery, None)
        if tail is not None:
            _end(tail)
            self._unsubscribe(tail.feed)

    def _unsubscribe(self, feed: Feed) -> None:
        if not any(tail.feed is feed for tail in self._outbox.tails.values()):
            self._feeds.unsubscribe(feed, self._work.ring)

    async def _write_until_closed(self) -> None:
        try:
            async with asyncio.timeout(None) as self._sending:
                try:
                    await self._write()
                finally:
                    self._sending = None
        except TimeoutError:
            log.info("slow consumer dropped", connection=self.id)
            self.ended_with = CloseCode.TOO_SLOW
            try:
                async with asyncio.timeout(_CLOSE_S):
                    await self._socket.close(CloseCode.TOO_SLOW, "too slow")
            except TimeoutError:
                pass  # the peer reads nothing, the close frame included; the transport's own timeout ends it

    async def _write(self) -> None:
        """The only sender. Ends after the close."""
        while True:
            await self._work.wait()
            while not self._outbox.empty:
                await self._send_events()
                if self._closing is not None:
                    break
                for delivery in list(self._outbox.tails):
                    while self._outbox.events:  # a verdict goes out before the entries that it announces
                        await self._send_events()
                    await self._advance(delivery)
            if self._finishing is not None:
                self.close(self._finishing.code, self._finishing.reason)
            if self._closing is not None:
                await self._send_events()
                self.ended_with = self._closing.code
                self._is_sending = True  # the close may stall like any other frame
                await self._socket.close(self._closing.code, self._closing.reason)
                return

    async def _send_events(self) -> None:
        waiting, self._outbox.events = self._outbox.events, []
        await self._send(waiting)

    async def _advance(self, delivery: str) -> None:
        tail = self._outbox.tails.get(delivery)
        if tail is None:
            return
        if tail.feed.lost:  # a resume tells the client whether its place still exists
            self.close(CloseCode.RESTART, "the answer's log went back")
            return
        try:
            frames = await tail.frames()
        except LogUnavailable:
            self.close(CloseCode.TRY_LATER, "the answer log is away")
            return
        if tail.next == 0 and frames:
            self._performer.sending(tail.feed.answer)
        await self._send(frames)
        tail.next += len(frames)
        self._watch.sent(len(frames))
        if tail.done and self._outbox.tails.get(delivery) is tail:  # a resume may have moved the cursor
            self._drop_tail(delivery)
            self._performer.delivered(tail.feed.answer)
            self._apply(self._session.ended(delivery, tail.next - 1, tail.feed.state))

    async def _send(self, frames: Sequence[str]) -> None:
        self._is_sending = True
        await self._socket.send(frames)
        self._is_sending = False


def _end(tail: Tail) -> None:
    """Its part of the answer's trace."""
    tail.span.note(next=tail.next, whole=tail.done)
    tail.span.end()
