"""One connection on a socket that the test reads frame by frame: what is sent when the peer is slow, and in which
order."""

import asyncio
import dataclasses
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from chatserver.delivery import connection as connection_module
from chatserver.delivery import manager as manager_module
from chatserver.delivery.manager import ConnectionManager
from chatserver.delivery.outbox import EVENTS
from chatserver.generation.generations import Generations
from tests.contracts.answer_logs import LEASE_S, batch
from tests.delivery.served import PACE, POLICY, ScriptedPipeline
from tests.delivery.slow_peer import ENTRIES, EVERYTHING, Peer, SlowLog, have, serving
from tests.eventually import eventually


@pytest.fixture
async def log() -> SlowLog:
    return SlowLog()


@pytest.fixture
async def manager(log: SlowLog) -> AsyncIterator[ConnectionManager]:
    async with AsyncExitStack() as stack:
        generations = await stack.enter_async_context(Generations(log, ScriptedPipeline(), pace=PACE, owner="test"))
        yield await stack.enter_async_context(ConnectionManager(log, generations, POLICY))


def places(**seqs: int) -> list[dict[str, Any]]:
    return [{"answer": answer, "epoch": f"e-{answer}", "seq": seq} for answer, seq in seqs.items()]


def contiguous_since_resumed(peer: Peer, cursors: list[dict[str, Any]]) -> bool:
    """Whether, behind the last `resumed`, each answer continues behind its cursor without hole or repetition."""
    last = max(index for index, event in enumerate(peer.events) if event["type"] == "resumed")
    told = Peer(events=peer.events[last:])
    return all(told.seqs(c["answer"]) == list(range(c["seq"] + 1, ENTRIES)) for c in cursors)


def contiguous_before_resumed(peer: Peer) -> bool:
    last = max(index for index, event in enumerate(peer.events) if event["type"] == "resumed")
    told = Peer(events=peer.events[:last])
    return all(told.seqs(answer) == list(range(len(told.seqs(answer)))) for answer in ("a1", "a2"))


@pytest.mark.parametrize("read", range(1, 2 * ENTRIES + 6))
async def test_the_verdict_comes_before_what_it_announces(manager: ConnectionManager, log: SlowLog, read: int) -> None:
    """A resume that comes while the peer is in the middle of earlier frames takes effect with its `resumed`, neither
    earlier nor later: wherever the peer stands, no entry of the new run is sent before it."""
    await have(log, "a1")
    await have(log, "a2")
    peer = Peer(reads=0)
    async with serving(manager, peer):
        peer.say("resume", chat="c1")
        peer.read(read)
        await eventually(lambda: peer.sent == min(read, 2 * ENTRIES + 4))
        cursors = places(a1=3, a2=5)
        peer.say("resume", chat="c1", cursors=cursors)
        await eventually(peer.incoming.empty)
        await asyncio.sleep(0.01)  # nothing may happen: the peer reads nothing
        peer.read(EVERYTHING)
        await eventually(lambda: peer.count("resumed") == 2 and peer.events[-1]["type"] == "end")
        peer.say("ping", id="settled")
        await eventually(lambda: peer.count("pong") == 1)
        assert contiguous_before_resumed(peer)
        assert contiguous_since_resumed(peer, cursors)


async def test_a_resume_that_waits_for_the_log_holds_the_old_run(manager: ConnectionManager, log: SlowLog) -> None:
    """While a resume opens one answer, another one that is under way is not told on in the old run behind the
    verdict."""
    await have(log, "a1")
    running = await have(log, "a2", sealed=False)
    peer = Peer()
    async with serving(manager, peer):
        peer.say("resume", chat="nothing", cursors=[])
        peer.say("resume", chat="c1", cursors=places(a1=ENTRIES - 1, a2=ENTRIES - 1))
        await eventually(lambda: peer.count("end") == 1)
        manager._feeds._feeds.pop("a1")  # it has become cold
        manager._feeds._unread.pop("a1")
        log.slow = "a1"
        peer.say("resume", chat="c1", cursors=places(a1=4, a2=4))
        await eventually(lambda: log.asked)
        await log.append(running, batch(ENTRIES, 1), LEASE_S)
        await eventually(lambda: peer.count("resumed") == 3)
        await asyncio.sleep(0.01)  # whatever the old run would send
        log.allowed.set()
        await eventually(lambda: peer.count("end") == 2)
        await eventually(lambda: peer.seqs("a2")[-1:] == [ENTRIES])
        last = max(index for index, event in enumerate(peer.events) if event["type"] == "resumed")
        assert Peer(events=peer.events[last:]).seqs("a2") == list(range(5, ENTRIES + 1))


async def test_a_slow_peer_that_is_found_again_and_again_is_dropped_once(
    manager: ConnectionManager, log: SlowLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A peer that does not even take the close is found stalled by several sweeps: none of them harms the server."""
    monkeypatch.setattr(connection_module, "_CLOSE_S", 0.1)
    await have(log, "a1")
    peer = Peer(reads=3)
    async with serving(manager, peer):
        peer.say("resume", chat="c1")
        await eventually(lambda: peer.sent == 3 and peer.waiting)
        (connection,) = manager._connections.values()
        assert not connection.has_stalled(0.0, 1.0)
        for _ in range(5):
            if connection.has_stalled(2.0, 1.0):
                connection.drop_slow()
            await asyncio.sleep(0.01)
        await eventually(lambda: len(manager) == 0)
        connection.drop_slow()
    assert peer.closes == []


async def test_the_sweep_drops_a_stalled_peer(log: SlowLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that takes nothing for `stall_s` is closed with 4408 although nobody asks; the manager goes on."""
    monkeypatch.setattr(manager_module, "_SWEEP_S", 0.005)
    monkeypatch.setattr(connection_module, "_CLOSE_S", 0.05)
    passing, time_passes = itertools.count(0, 0.01), False
    await have(log, "a1")
    generations = Generations(log, ScriptedPipeline(), pace=PACE, owner="test")
    policy, clock = dataclasses.replace(POLICY, stall_s=0.1), lambda: next(passing) if time_passes else 0.0
    async with generations, ConnectionManager(log, generations, policy, clock=clock) as manager:
        stalled, reading = Peer(reads=3), Peer()
        async with serving(manager, stalled), serving(manager, reading):
            for peer in (stalled, reading):
                peer.say("resume", chat="c1")
            await eventually(lambda: stalled.waiting and reading.count("end") == 1)
            await asyncio.sleep(0.02)  # some sweeps, in which no time passes
            time_passes = True
            await eventually(lambda: len(manager) == 1)
            reading.say("ping", id="alive")
            await eventually(lambda: reading.count("pong") == 1)
            time_passes = False
    assert stalled.sent == 3
    assert reading.closes == []


async def test_a_peer_that_takes_a_frame_now_and_then_is_not_stalled(manager: ConnectionManager, log: SlowLog) -> None:
    """Slow is not stalled: each frame taken starts the wait anew."""
    await have(log, "a1")
    peer = Peer(reads=2)
    async with serving(manager, peer):
        peer.say("resume", chat="c1")
        await eventually(lambda: peer.sent == 2 and peer.waiting)
        (connection,) = manager._connections.values()
        for step in range(1, 5):
            assert not connection.has_stalled(step * 0.9, 1.0)
            peer.read(1)
            await eventually(lambda: peer.sent == 2 + step and peer.waiting)  # noqa: B023
        assert not connection.has_stalled(5.0, 1.0)
        assert not connection.has_stalled(5.9, 1.0)
        assert connection.has_stalled(6.0, 1.0)


async def test_a_peer_is_not_stalled_at_the_first_look(manager: ConnectionManager) -> None:
    """A sweep that finds the very first frame on its way has not seen it wait: it waits from then on."""
    peer = Peer(reads=0)
    async with serving(manager, peer):
        await eventually(lambda: peer.waiting)
        (connection,) = manager._connections.values()
        assert not connection.has_stalled(1e6, 1.0)
        assert not connection.has_stalled(1e6 + 0.9, 1.0)
        assert connection.has_stalled(1e6 + 1.0, 1.0)


async def test_a_burst_of_pings_is_answered(manager: ConnectionManager) -> None:
    """Commands that arrive all at once are not held against a peer that reads: each gets its answer, in order."""
    peer = Peer()
    async with serving(manager, peer):
        burst = 4 * EVENTS
        for n in range(burst):
            peer.say("ping", id=n)
        await eventually(lambda: peer.count("pong") == burst or peer.closes)
        assert peer.closes == []
        assert [event["id"] for event in peer.events if event["type"] == "pong"] == list(range(burst))


async def test_a_peer_that_asks_and_never_reads_is_too_slow(manager: ConnectionManager) -> None:
    """The events that wait for it are bounded: it is closed with 4408 instead of filling the memory."""
    peer = Peer(reads=1)
    async with serving(manager, peer):
        await eventually(lambda: peer.sent == 1)
        for n in range(2 * EVENTS + 10):  # one time EVENTS are in the send that hangs
            peer.say("ping", id=n)
        await eventually(peer.incoming.empty)
        (connection,) = manager._connections.values()
        assert len(connection._outbox.events) <= EVENTS
        peer.read(EVERYTHING)
        await eventually(lambda: peer.closes)
    assert [code for code, _ in peer.closes] == [4408]


async def test_a_log_that_goes_away_closes_with_1013(manager: ConnectionManager, log: SlowLog) -> None:
    """What can't be read can't be told: the client is asked to come back later, and then resumes."""
    await have(log, "a1")
    log.away = True
    first, second = Peer(), Peer()
    async with serving(manager, first):
        first.say("resume", chat="c1")
        await eventually(lambda: first.closes)
    assert [code for code, _ in first.closes] == [1013]
    assert first.seqs("a1") == []
    log.away = False
    async with serving(manager, second):
        second.say("resume", chat="c1")
        await eventually(lambda: second.count("end") == 1)
    assert second.seqs("a1") == list(range(ENTRIES))


async def test_commands_that_wait_for_the_log_are_bounded(manager: ConnectionManager, log: SlowLog) -> None:
    """Beyond the bound each is refused with `too_many_commands`; the others are carried out in order."""
    await have(log, "a1")
    log.slow = "a1"
    peer = Peer()
    async with serving(manager, peer):
        peer.say("resume", chat="c1")
        await eventually(lambda: log.asked)
        for n in range(connection_module.COMMANDS + 3):
            peer.say("ask", id=f"q{n}", chat="c2", text="0")
        await eventually(lambda: peer.count("error") == 3)
        assert {event["code"] for event in peer.events if event["type"] == "error"} == {"too_many_commands"}
        log.allowed.set()
        await eventually(lambda: peer.count("accepted") == connection_module.COMMANDS)


async def test_what_was_said_before_leaving_counts(manager: ConnectionManager, log: SlowLog) -> None:
    """A peer that acknowledges, asks, and is gone before the log was free: all of it is carried out, nothing sent."""
    await have(log, "a1")
    await have(log, "a2")
    log.slow = "a1"
    peer = Peer()
    async with serving(manager, peer):
        peer.say("resume", chat="c1", cursors=places(a1=3))
        await eventually(lambda: log.asked)
        peer.say("ack", answer="a2", seq=ENTRIES - 1)
        peer.say("ask", id="last", chat="c2", text="1")
    assert len(manager) == 0
    meta = await log.meta("a2")
    assert meta is not None
    assert meta.acknowledged == ENTRIES - 1
    (asked,) = await log.chat("ada", "c2")
    assert asked.question.ask_id == "last"
    assert {event["type"] for event in peer.events} <= {"welcome", "resumed", "chunk", "end"}


async def test_nothing_is_left_behind(manager: ConnectionManager, log: SlowLog) -> None:
    """A peer that leaves in the middle of anything leaves no reader of a feed and no task."""
    await have(log, "a1", sealed=False)
    tasks = len(asyncio.all_tasks())
    for reads in range(ENTRIES):
        peer = Peer(reads=reads)
        async with serving(manager, peer):
            peer.say("resume", chat="c1")
            peer.say("ask", id=f"q{reads}", chat="c3", text="2")
            await asyncio.sleep(0)
    assert len(manager) == 0
    assert [feed for feed in manager._feeds._feeds.values() if feed.readers] == []
    await eventually(lambda: len(asyncio.all_tasks()) <= tasks)
