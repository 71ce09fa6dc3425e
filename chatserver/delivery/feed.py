"""The live window of one answer's log, shared by every connection of this process that tails it.

Theory of operation
    A feed holds the frames of the newest entries, encoded once, however many tabs read them. The log's doorbell
    brings a batch along when this process appended it; a batch that joins the window's end is taken as it is, any
    other ring means "read the log from my head on". So a lost, repeated or reordered ring costs a read and never an
    entry. A reader keeps only its next seq; if that has left the window, it reads the log by itself until it is back.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from chatserver.answers.log import AnswerLog, Ring
from chatserver.answers.meta import AnswerMeta
from chatserver.protocol.events import chunk_frames

WINDOW_BYTES = 1 << 20
_WINDOW_ENTRIES = 4096  # where a window begins when its answer is longer; bytes trim it from there
_PAGE = 1000
_PAGES = 8  # pages behind the window that are kept for who reads them next
TURN_BYTES = 1 << 15
"""What a reader takes at once, and so what one that stalls holds."""

Sized = TypeVar("Sized", str, bytes)


class Feed:
    def __init__(self, answers: AnswerLog, meta: AnswerMeta) -> None:
        self.answer = meta.answer
        self.epoch = meta.epoch
        self.caller = meta.question.caller
        self.state = meta.state
        self.readers: set[Callable[[], None]] = set()
        """Called when there is more to read."""
        self.lost = False
        """The log went back behind this window: nothing more is to be read from it."""
        self._answers = answers
        self._target = meta.head  # the log is known to be at least so long
        self._first = max(0, meta.head - _WINDOW_ENTRIES)
        self._frames: list[str] = []
        self._pages: dict[int, Sequence[str]] = {}
        self._paging = asyncio.Lock()
        self._bytes = 0

    @property
    def head(self) -> int:
        """The seq after the newest frame."""
        return self._first + len(self._frames)

    @property
    def size(self) -> int:
        """Characters in the window."""
        return self._bytes

    @property
    def ended(self) -> bool:
        """Sealed, and the window has the last entry."""
        return self.state.sealed and self.head >= self._target

    @property
    def behind(self) -> bool:
        """The log has entries that the window lacks."""
        return self.head < self._target

    def ring(self, ring: Ring) -> None:
        """A batch was committed."""
        if ring.seal is not None:
            self.state = ring.seal
        self._target = max(self._target, ring.first + len(ring.entries))
        if ring.first == self.head and ring.entries:
            self._extend(ring.entries)

    def learn(self, meta: AnswerMeta) -> None:
        """The log's own word, when the doorbell may have been missed. It may be older than a ring: a seal stays."""
        if not self.state.sealed:
            self.state = meta.state
        self._target = max(self._target, meta.head)

    async def catch_up(self) -> None:
        """Reads the log until the window has its end. Raises `LogUnavailable`."""
        while self.behind:
            head = self.head
            entries = await self.unread()
            if not entries:
                return
            self.extend(head, entries)

    async def unread(self) -> list[bytes]:
        """What the log has after the window, a page of it. Raises `LogUnavailable`."""
        return await self._answers.read(self.answer, self.head, _PAGE)

    def extend(self, first: int, entries: Sequence[bytes]) -> None:
        """Entries that were read from seq `first` on. A ring may have brought some meanwhile."""
        if new := entries[self.head - first :]:
            self._extend(new)

    async def read(self, first: int, limit: int) -> Sequence[str]:
        """Up to `limit` frames from seq `first` on, no more than `TURN_BYTES` but for a single one; none when there are
        no more yet."""
        if first >= self._first:
            return _bounded(self._frames[first - self._first : first - self._first + limit])
        return await self._page(first, limit)

    def forget_pages(self) -> None:
        """Nobody reads behind the window any more."""
        self._pages.clear()

    async def _page(self, first: int, limit: int) -> Sequence[str]:
        """Frames that have left the window. Those who come late come together, and read the same pages."""
        async with self._paging:
            if (page := self._pages.get(first)) is None:
                entries = await self._answers.read(self.answer, first, limit)
                page = chunk_frames(self.answer, self.epoch, first, _bounded(entries[:limit]))
                while len(self._pages) >= _PAGES:
                    del self._pages[next(iter(self._pages))]
                if page:
                    self._pages[first] = page
            return page

    def _extend(self, entries: Sequence[bytes]) -> None:
        frames = chunk_frames(self.answer, self.epoch, self.head, entries)
        self._frames += frames
        self._bytes += sum(map(len, frames))
        if self._bytes > WINDOW_BYTES:
            self._trim()
        for wake in self.readers:
            wake()

    def _trim(self) -> None:
        """Drops the oldest frames down to half the window; at least one stays."""
        drop = 0
        while self._bytes > WINDOW_BYTES // 2 and drop < len(self._frames) - 1:
            self._bytes -= len(self._frames[drop])
            drop += 1
        del self._frames[:drop]
        self._first += drop


def _bounded(items: Sequence[Sized]) -> Sequence[Sized]:
    """As many of the first ones as `TURN_BYTES` hold, at least one."""
    size = 0
    for count, item in enumerate(items):
        size += len(item)
        if size > TURN_BYTES and count:
            return items[:count]
    return items
