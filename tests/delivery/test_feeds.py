"""Feeds: one window for all readers of an answer, filled by a doorbell that may lose, repeat and reorder its rings."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable

import orjson
import pytest

from chatserver.answers.log import Batch, Listener, LogUnavailable, Ring
from chatserver.answers.memory import MemoryAnswerLog
from chatserver.answers.meta import AnswerMeta
from chatserver.answers.states import AnswerState
from chatserver.delivery import feed as feed_module
from chatserver.delivery import feeds as feeds_module
from chatserver.delivery.feed import Feed
from chatserver.delivery.feeds import Feeds
from chatserver.delivery.outbox import Tail
from tests.contracts.answer_logs import LEASE_S, batch, begun, question
from tests.eventually import eventually


class BadBell(MemoryAnswerLog):
    """Passes each ring on as the test says: not at all, twice, or in another order."""

    def __init__(self) -> None:
        super().__init__()
        self.spoil: Callable[[Ring], list[Ring]] = lambda ring: [ring]
        self.before_meta: asyncio.Event | None = None
        self.before_read: asyncio.Event | None = None
        self.reads = 0
        self.metas = 0
        self.away = False
        self.loses = False

    def listen(self, listener: Listener, interested: Callable[[], bool]) -> Callable[[], None]:
        def ring(ring: Ring) -> None:
            for spoilt in self.spoil(ring):
                listener(spoilt)

        return super().listen(ring, interested)

    async def meta(self, answer: str) -> AnswerMeta | None:
        if self.away:
            raise LogUnavailable("away")
        meta = await super().meta(answer)
        self.metas += 1
        if self.before_meta is not None:
            await self.before_meta.wait()  # the answer is on its way back while the log goes on
        lost, self.loses = self.loses, False
        return None if lost else meta

    async def read(self, answer: str, first: int, limit: int) -> list[bytes]:
        entries = await super().read(answer, first, limit)
        self.reads += 1
        if self.before_read is not None:
            await self.before_read.wait()  # as above
        return entries


@pytest.fixture
async def log() -> BadBell:
    return BadBell()


@pytest.fixture
async def feeds(log: BadBell, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Feeds]:
    monkeypatch.setattr(feeds_module, "CHECK_S", 0.02)
    monkeypatch.setattr(feeds_module, "_RETRY_S", 0.01)
    async with Feeds(log) as feeds:
        yield feeds


class Reader:
    """Reads a feed to its end, as a connection does."""

    def __init__(self) -> None:
        self.seqs: list[int] = []
        self.woken = asyncio.Event()

    async def read(self, feed: Feed, first: int = 0) -> None:
        place = first
        while True:
            self.woken.clear()
            while frames := await feed.read(place, 64):
                self.seqs += [orjson.loads(frame)["seq"] for frame in frames]
                place += len(frames)
            if feed.ended and place >= feed.head:
                return
            await self.woken.wait()


async def open_feed(feeds: Feeds, wake: Callable[[], None], answer: str = "a1") -> Feed:
    feed = await feeds.subscribe(answer, wake)
    assert feed is not None
    return feed


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_becomes_of_the_rings_every_entry_comes_once(log: BadBell, feeds: Feeds, seed: int) -> None:
    """Lost, repeated and reordered rings cost a read, never an entry, an order or the end."""
    rng = random.Random(seed)
    late: list[Ring] = []

    def spoil(ring: Ring) -> list[Ring]:
        match rng.randrange(5):
            case 0:
                return []
            case 1:
                return [ring, ring]
            case 2:
                late.append(ring)
                return []
            case 3:
                return [ring, *(late.pop() for _ in range(len(late)))]
        return [ring]

    log.spoil = spoil
    claim = await begun(log)
    reader = Reader()
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(reader.read(await open_feed(feeds, reader.woken.set)))
        head = 0
        for _ in range(60):
            count = rng.randrange(1, 6)
            await log.append(claim, batch(head, count), LEASE_S)
            head += count
            if rng.random() < 0.3:
                await asyncio.sleep(0)
        await log.append(claim, batch(head, 1, seal=AnswerState.COMPLETED), LEASE_S)
    assert reader.seqs == list(range(head + 1))


async def test_without_any_ring_the_answer_still_comes(log: BadBell, feeds: Feeds) -> None:
    """A dead doorbell delays the entries until the log is asked again, and no longer."""
    log.spoil = lambda ring: []
    claim = await begun(log)
    reader = Reader()
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(reader.read(await open_feed(feeds, reader.woken.set)))
        await log.append(claim, batch(0, 3), LEASE_S)
        await eventually(lambda: len(reader.seqs) == 3)
        await log.append(claim, batch(3, 1, seal=AnswerState.STOPPED), LEASE_S)
    assert reader.seqs == [0, 1, 2, 3]


async def test_a_late_word_of_the_log_does_not_reopen_an_ended_answer(
    log: BadBell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log was asked before the seal and answers after it: the seal stands, nobody waits for the next check."""
    monkeypatch.setattr(feeds_module, "CHECK_S", 3600.0)
    claim = await begun(log, entries=1)
    reader = Reader()
    async with Feeds(log) as feeds:
        feed = await open_feed(feeds, reader.woken.set)
        log.before_meta, metas = asyncio.Event(), log.metas
        log.spoil = lambda ring: [Ring(""), ring]
        await log.append(claim, batch(1, 1), LEASE_S)
        await eventually(lambda: log.metas == metas + 1)
        log.spoil = lambda ring: [ring]
        await log.append(claim, batch(2, 1, seal=AnswerState.COMPLETED), LEASE_S)
        assert feed.ended
        log.before_meta.set()
        await asyncio.sleep(0.01)  # the late word arrives
        async with asyncio.timeout(60):
            await reader.read(feed)
    assert reader.seqs == [0, 1, 2]


async def test_a_ring_that_comes_while_the_log_is_read_doubles_nothing(log: BadBell, feeds: Feeds) -> None:
    """A late ring brings what the read under way brings too: each entry is in the window once."""
    lost: list[Ring] = []
    log.spoil = lambda ring: lost.append(ring) or []  # type: ignore[func-returns-value]
    claim = await begun(log)
    reader = Reader()
    feed = await open_feed(feeds, reader.woken.set)
    log.before_read = asyncio.Event()
    await log.append(claim, batch(0, 3), LEASE_S)
    await eventually(lambda: log.reads)
    feed.ring(lost[-1])
    log.before_read.set()
    await log.append(claim, batch(3, 1, seal=AnswerState.COMPLETED), LEASE_S)
    async with asyncio.timeout(60):
        await reader.read(feed)
    assert reader.seqs == [0, 1, 2, 3]


@pytest.mark.parametrize("live", [0, 3, 4, 9])
async def test_a_turn_that_holds_both_marks_only_the_replay(log: BadBell, feeds: Feeds, live: int) -> None:
    """What the log had before the resume is marked, entry by entry."""
    await begun(log, entries=6)
    feed = await open_feed(feeds, lambda: None)
    frames = [orjson.loads(frame) for frame in await Tail(feed, 2, live).frames()]
    assert [frame.get("replay", False) for frame in frames] == [seq < live for seq in range(2, 6)]


async def test_a_thousand_readers_open_an_answer_once(log: BadBell, feeds: Feeds) -> None:
    """All share one feed; the log is asked for one of them, not for each."""
    await begun(log, entries=5)
    metas = log.metas
    opened = await asyncio.gather(*(open_feed(feeds, asyncio.Event().set) for _ in range(1000)))
    assert len({id(feed) for feed in opened}) == 1
    assert log.metas - metas < 100


async def test_an_answer_that_is_lost_while_it_is_opened_is_opened_anew(
    log: BadBell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by one who comes in the very moment: the loop is held by nobody who asks for what is gone."""
    monkeypatch.setattr(feeds_module, "CHECK_S", 3600.0)
    await begun(log, entries=2)
    async with Feeds(log) as feeds:
        log.before_meta, metas = asyncio.Event(), log.metas
        first = asyncio.create_task(open_feed(feeds, lambda: None))
        await eventually(lambda: log.metas == metas + 1)
        log.before_meta.set()
        log.before_meta = asyncio.Event()
        await eventually(lambda: log.metas == metas + 2)  # it looks once more at what it has opened
        log.loses = True
        log.before_meta.set()
        second = asyncio.create_task(open_feed(feeds, lambda: None))  # its turn comes right after that look's
        log.before_meta = None
        assert [(await opened).head for opened in (first, second)] == [2, 2]


async def test_an_unknown_answer_has_no_feed(feeds: Feeds) -> None:
    """None, and nothing is kept of it."""
    assert await feeds.subscribe("nothing", lambda: None) is None
    assert len(feeds) == 0


async def test_a_log_that_is_away_is_told_to_each_reader(log: BadBell, feeds: Feeds) -> None:
    """Opening raises for all that wait; once the log is back the same answer opens."""
    await begun(log, entries=2)
    log.away = True
    opened = await asyncio.gather(*(feeds.subscribe("a1", lambda: None) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in opened] == [LogUnavailable] * 3
    log.away = False
    assert (await open_feed(feeds, lambda: None)).head == 2


async def test_an_answer_that_cannot_be_read_harms_no_other(log: BadBell, feeds: Feeds) -> None:
    """Whoever asks for it gets the error; all other feeds go on."""
    claim = await begun(log, "a1")
    await log.append(claim, Batch("torn", 0, [b"\xff torn"]), LEASE_S)
    await begun(log, "a2", entries=2)
    for _ in range(2):
        with pytest.raises(UnicodeDecodeError):
            await feeds.subscribe("a1", lambda: None)
    assert (await open_feed(feeds, lambda: None, "a2")).head == 2


async def test_a_log_that_is_away_for_a_while_loses_nothing(log: BadBell, feeds: Feeds) -> None:
    """Readers wait, and go on when it is back."""
    claim = await begun(log)
    reader = Reader()
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(reader.read(await open_feed(feeds, reader.woken.set)))
        log.away = True
        log.spoil = lambda ring: []
        await log.append(claim, batch(0, 2, seal=AnswerState.COMPLETED), LEASE_S)
        await asyncio.sleep(0.05)  # some checks that fail
        assert reader.seqs == []
        log.away = False
    assert reader.seqs == [0, 1]


async def test_feeds_without_a_reader_are_bounded(log: BadBell, feeds: Feeds, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one longest unread goes first; one with a reader never."""
    monkeypatch.setattr(feeds_module, "WARM", 3)
    read = lambda: None  # noqa: E731
    for n in range(8):
        await begun(log, f"a{n}")
    kept = await open_feed(feeds, read, "a0")
    for n in range(1, 8):
        feed = await open_feed(feeds, read, f"a{n}")
        feeds.unsubscribe(feed, read)
    assert sorted(feeds._feeds) == ["a0", "a5", "a6", "a7"]
    assert await open_feed(feeds, read, "a0") is kept


async def test_a_feed_that_is_being_opened_is_not_thrown_out(log: BadBell, monkeypatch: pytest.MonkeyPatch) -> None:
    """While many others become unread, the reader that waits for it still hears of every entry."""
    monkeypatch.setattr(feeds_module, "CHECK_S", 3600.0)  # nobody else asks the log
    monkeypatch.setattr(feeds_module, "WARM", 2)
    async with Feeds(log) as feeds:
        claim = await begun(log, "a0")
        others = []
        for n in range(1, 6):
            await begun(log, f"a{n}")
            others.append(await open_feed(feeds, print, f"a{n}"))
        log.before_meta, metas = asyncio.Event(), log.metas
        reader = Reader()
        opening = asyncio.create_task(open_feed(feeds, reader.woken.set, "a0"))
        await eventually(lambda: log.metas == metas + 1)
        log.before_meta.set()
        log.before_meta = asyncio.Event()
        await eventually(lambda: log.metas == metas + 2)
        for other in others:
            feeds.unsubscribe(other, print)
        log.before_meta.set()
        feed = await opening
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            group.create_task(reader.read(feed))
            await log.append(claim, batch(0, 2, seal=AnswerState.COMPLETED), LEASE_S)
    assert reader.seqs == [0, 1]


@pytest.mark.parametrize("size", [1, 3000])
async def test_a_reader_behind_the_window_reads_the_log(
    log: BadBell, feeds: Feeds, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """An answer longer than the window comes whole to one who begins at its start, and to one who opened it early."""
    monkeypatch.setattr(feed_module, "WINDOW_BYTES", 20_000)
    monkeypatch.setattr(feed_module, "_WINDOW_ENTRIES", 64)
    claim = await begun(log)
    early, late, length = Reader(), Reader(), 300
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(early.read(await open_feed(feeds, early.woken.set)))
        for first in range(0, length, 20):
            entries = [b'{"n":%d,"x":"%s"}' % (first + n, b"x" * size) for n in range(20)]
            seal = AnswerState.COMPLETED if first + 20 == length else None
            part = batch(first, 20, seal=seal)
            await log.append(claim, type(part)(part.id, first, entries, seal), LEASE_S)
        feed = await open_feed(feeds, late.woken.set)
        assert feed._bytes <= 20_000 + 20 * (size + 200), "the window is bounded"
        group.create_task(late.read(feed))
    assert early.seqs == late.seqs == list(range(length))


async def test_leaving_ends_everything(log: BadBell) -> None:
    """Closing while feeds are being opened and rung leaves no task and no listener."""
    before = len(asyncio.all_tasks())
    claim = await begun(log)
    async with Feeds(log) as feeds:
        log.before_meta = asyncio.Event()
        opening = [asyncio.create_task(feeds.subscribe("a1", lambda: None)) for _ in range(3)]
        await asyncio.sleep(0)
    results = await asyncio.gather(*opening, return_exceptions=True)
    assert {type(result) for result in results} == {asyncio.CancelledError}
    await log.append(claim, batch(0, 1), LEASE_S)
    assert log._listeners == {}
    assert len(asyncio.all_tasks()) == before


async def test_a_question_without_entries_has_an_empty_feed(log: BadBell, feeds: Feeds) -> None:
    """It waits for the first entry."""
    await log.create(question())
    feed = await open_feed(feeds, lambda: None)
    assert (feed.head, feed.ended, list(await feed.read(0, 10))) == (0, False, [])
