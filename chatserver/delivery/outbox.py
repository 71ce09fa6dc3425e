"""What one connection still has to send: a bounded queue of events, and one cursor for each answer that it tails."""

from collections.abc import Sequence
from dataclasses import dataclass

from chatserver.delivery.feed import Feed
from chatserver.protocol.events import as_replay
from chatserver.protocol.session import Form
from chatserver.tracing.port import NO_SPAN, Span

EVENTS = 256
"""Events that may wait. A client that asks and never reads is too slow."""
_TURN = 64
"""Frames that one answer sends before the next has its turn."""


@dataclass(slots=True)
class Tail:
    """`next` is the first seq not yet sent; those before `live` are replay."""

    feed: Feed
    next: int
    live: int
    form: Form | None = None
    span: Span = NO_SPAN

    @property
    def has_more(self) -> bool:
        return self.next < self.feed.head or self.feed.lost

    @property
    def done(self) -> bool:
        return self.feed.ended and self.next >= self.feed.head

    async def frames(self) -> Sequence[str]:
        """The next frames in order; the caller counts them off with `next`. Raises `LogUnavailable`."""
        frames = await self.feed.read(self.next, _TURN)
        if self.form is not None:
            return [self.form(frame) for frame in frames]
        if self.next >= self.live:
            return frames
        replayed = self.live - self.next
        return [as_replay(frame) if index < replayed else frame for index, frame in enumerate(frames)]


class Outbox:
    def __init__(self) -> None:
        self.events: list[str] = []  # not a deque: an empty one costs 600 bytes, and so would every idle connection
        self.tails: dict[str, Tail] = {}

    @property
    def full(self) -> bool:
        return len(self.events) >= EVENTS

    @property
    def empty(self) -> bool:
        return not self.events and not any(tail.has_more or tail.done for tail in self.tails.values())
