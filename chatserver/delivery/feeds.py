"""All feeds of this process: opened by the first reader of an answer, kept warm for a while after the last."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

import structlog

from chatserver.answers.log import AnswerLog, LogUnavailable, Ring
from chatserver.delivery.feed import Feed

log = structlog.get_logger(__name__)

WARM = 256
WARM_BYTES = 16 << 20
"""So many feeds without a reader stay, of so many bytes together, that a reconnect storm doesn't read the log for each
client."""
CHECK_S = 3.0
"""How often the log is asked what the doorbell may have missed."""
_RETRY_S = 0.5
_AT_ONCE = 64
"""Windows that read the log at a time: many share a round trip, and a page of each is in memory."""


class Feeds:
    """`async with Feeds(log)`. Each window that is behind reads the log by itself, at once; one background task looks
    after what rings may have been missed."""

    def __init__(self, answers: AnswerLog) -> None:
        self._answers = answers
        self._feeds: dict[str, Feed] = {}
        self._unread: OrderedDict[str, None] = OrderedDict()
        """The feeds without a reader, longest unread first."""
        self._opening: dict[str, asyncio.Task[Feed | Exception | None]] = {}
        self._refreshing: dict[Feed, asyncio.Task[None]] = {}
        self._again: set[Feed] = set()
        """Those that were rung while they read: what they are told may be older."""
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self._check = asyncio.Event()
        self._away = False
        self._group = asyncio.TaskGroup()
        self._keeper: asyncio.Task[None] | None = None
        self._unlisten: Callable[[], object] = lambda: None

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        self._unlisten = self._answers.listen(self._ring, self._has_live)
        self._keeper = self._group.create_task(self._keep_up(), name="feeds")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._unlisten()
        for task in (self._keeper, *self._opening.values(), *self._refreshing.values()):
            if task is not None:
                task.cancel()
        await self._group.__aexit__(kind, error, trace)

    async def subscribe(self, answer: str, wake: Callable[[], None]) -> Feed | None:
        """The answer's feed, at the log's end as of now; `wake` is called whenever there is more. None: no such
        answer. Raises `LogUnavailable`."""
        while (feed := self._feeds.get(answer)) is None:
            if await self._opened(answer) is None:  # else look again: as an unread one it may have had to go already
                return None
        feed.readers.add(wake)
        self._unread.pop(answer, None)
        return feed

    def unsubscribe(self, feed: Feed, wake: Callable[[], None]) -> None:
        feed.readers.discard(wake)
        if not feed.readers and not feed.lost:
            feed.forget_pages()
            self._unread[feed.answer] = None
            self._cool()

    def _cool(self) -> None:
        """Lets the longest unread feeds go, down to what may stay warm."""
        size = sum(self._feeds[answer].size for answer in self._unread)
        while len(self._unread) > WARM or size > WARM_BYTES:
            oldest, _ = self._unread.popitem(last=False)
            size -= self._feeds.pop(oldest).size
            self._answers.unfollow(oldest)

    def __len__(self) -> int:
        return len(self._feeds)

    async def _opened(self, answer: str) -> Feed | None:
        """Single-flight: a thousand readers of one answer open it once."""
        task = self._opening.get(answer)
        if task is None:
            task = self._opening[answer] = self._group.create_task(self._open(answer))
        feed = await asyncio.shield(task)
        if isinstance(feed, Exception):
            raise feed
        return feed

    async def _open(self, answer: str) -> Feed | Exception | None:
        try:
            meta = await self._answers.meta(answer)
            if meta is None:
                return None
            feed = Feed(self._answers, meta)
            await feed.catch_up()
            self._feeds[answer] = feed  # rung from here on
            self._unread[answer] = None
            await self._answers.follow(answer)
            await self._refresh(feed)  # what was appended while it was not
        except Exception as error:  # handed to those who wait: one answer that can't be read must not end all feeds
            return error
        finally:  # at once: who comes next would be told of a feed that is gone, again and again
            self._opening.pop(answer, None)
        return feed

    def _ring(self, ring: Ring) -> None:
        if not ring.answer:
            self._check.set()
        elif (feed := self._feeds.get(ring.answer)) is not None:
            feed.ring(ring)
            if feed.behind:
                self._refresh_soon(feed)

    def _has_live(self) -> bool:
        return any(feed.readers and not feed.ended for feed in self._feeds.values())

    async def _keep_up(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(CHECK_S):
                    await self._check.wait()
            if self._away:
                await asyncio.sleep(_RETRY_S)
            self._away = False
            self._check.clear()
            for feed in self._feeds.values():
                if not feed.ended:
                    self._refresh_soon(feed)

    def _refresh_soon(self, feed: Feed) -> None:
        """No window waits for another: one long read would hold all up."""
        if feed in self._refreshing:
            self._again.add(feed)
        else:
            self._refreshing[feed] = self._group.create_task(self._refresh_while_rung(feed))

    async def _refresh_while_rung(self, feed: Feed) -> None:
        try:
            while not feed.lost:
                self._again.discard(feed)
                async with self._at_once:
                    await self._refresh(feed)
                if feed not in self._again:
                    break
        except LogUnavailable as error:
            if not self._away:
                log.warning("feeds wait for the log", error=str(error))
            self._away = True
            self._check.set()
        finally:
            del self._refreshing[feed]
            self._again.discard(feed)

    async def _refresh(self, feed: Feed) -> None:
        before = (feed.head, feed.state)
        if feed.behind:  # both in one round trip; entries before the meta whose epoch vouches for them
            entries, meta = await asyncio.gather(feed.unread(), self._answers.meta(feed.answer))
        else:
            entries, meta = [], await self._answers.meta(feed.answer)
        if meta is None or meta.epoch != feed.epoch or meta.head < before[0]:
            self._lose(feed)
            return
        feed.learn(meta)
        feed.extend(before[0], entries)
        await feed.catch_up()
        if (feed.head, feed.state) != before:
            for wake in feed.readers:
                wake()

    def _lose(self, feed: Feed) -> None:
        """The log does not have what this window shows: it was lost or rolled back. Who reads is told to come again."""
        log.warning("answer log was lost or went back", answer=feed.answer, shown=feed.head)
        feed.lost = True
        if self._feeds.get(feed.answer) is feed:
            del self._feeds[feed.answer]
            self._unread.pop(feed.answer, None)
            self._answers.unfollow(feed.answer)
        for wake in feed.readers:
            wake()
