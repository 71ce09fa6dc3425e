"""Processes that die, freeze or disagree about the time in the middle of an answer."""

import asyncio
import re
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.delivery.conformance.judge import Judge
from tests.delivery.conformance.scenarios import Play, playing
from tests.delivery.conformance.server import DOOMED, QUICK_LOGS, QUICK_LOGS_APART, Server, holds, serving
from tests.eventually import eventually

SOON_S = float(DOOMED["CHATSERVER_LEASE_S"]) + 2
"""The promise: an answer goes on so soon after its process was killed. A busy machine gets `SLACK_S` more."""
SLACK_S = 10.0


@pytest.fixture(params=QUICK_LOGS)
def log(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture(scope="module", params=QUICK_LOGS_APART)
def sibling(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A healthy process that shares its data with those that fail."""
    with serving(Server(tmp_path_factory.mktemp("crash") / "data", "uvicorn", request.param)) as server:
        yield server


def beside(sibling: Server, **settings: str) -> Server:
    """A process on the same data, with a fault."""
    return Server(sibling.data, "hooked", sibling.log, {**DOOMED, **settings}, may_fail=True)


def since_death(client: Judge, died_at: float) -> float:
    """Seconds until the first entry that came after it."""
    return next(r.at for r in client.journal.records if r.at > died_at and r.frame.get("type") == "chunk") - died_at


async def test_killed_and_started_again(data: Path, log: str) -> None:
    """SIGKILL to every process of a server in the middle of an answer; after the restart it is told to its end, what
    was half told withdrawn."""
    server = Server(data, "serve", log, DOOMED)
    with serving(server):
        async with playing(server.target(), "killed") as play:
            client, chat, answer = await play.asks(150, 10)
            await client.until(answer, 30)
            await asyncio.to_thread(server.kill)
            with serving(Server(data, "serve", log, port=server.port)) as again:
                await client.finish(chat)
                report = await holds(play, again)
    assert report.counts["takeovers"] == 1
    assert [end["state"] for end in client.journal.got("end")] == ["completed"]


@pytest.mark.parametrize(
    "fault",
    ["before-append", pytest.param("after-append", marks=pytest.mark.slow), "in-transaction", "before-terminal"],
)
async def test_killed_at_a_point(sibling: Server, fault: str) -> None:
    """SIGKILL before an append, after it and before anybody heard of it, within the transaction, and between the last
    text and the terminal entry: a sibling finishes the answer."""
    with serving(beside(sibling, CONFORMANCE_FAULT=fault, CONFORMANCE_AT="40")) as server:
        async with playing(server.target(), fault) as play:
            client, chat, _ = await play.asks(100, 5)
            while not await client.was_cut():  # the sibling was quicker to take the question
                client, chat, _ = await play.asks(100, 5, f" {len(play.judges)}")
            died_at = time.monotonic()
            client.target = sibling.target()
            await client.finish(chat)
            assert server.wait(30) == -signal.SIGKILL
            told_at_death = fault == "before-terminal"
            assert told_at_death or since_death(client, died_at) < SOON_S + SLACK_S
            report = await holds(play, sibling)
    assert report.counts["takeovers"] == (0 if fault == "before-terminal" else 1)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["in-takeover", "after-reset"])
async def test_killed_in_the_takeover(data: Path, log: str, fault: str) -> None:
    """The process that takes over is killed as well, before or after it has withdrawn the half-told step: a third one
    takes over from it."""
    at_forty = {**DOOMED, "CONFORMANCE_FAULT": "before-append", "CONFORMANCE_AT": "40"}
    first = Server(data, "hooked", log, at_forty, may_fail=True)
    second = Server(data, "hooked", log, {**DOOMED, "CONFORMANCE_FAULT": fault}, may_fail=True)
    with serving(first):
        async with playing(first.target(), fault) as play:
            client, chat, _ = await play.asks(100, 5)
            assert await client.was_cut()
            with serving(second, ready=False):
                await eventually(second.has_ended, within_s=30)
            with serving(Server(data, "uvicorn", log)) as third:
                client.target = third.target()
                await client.finish(chat)
                report = await holds(play, third)
                assert dict(third.generations()) == {client.accepted.popitem()[1]: 3}
    assert report.counts["takeovers"] == (1 if fault == "in-takeover" else 2)


async def freeze(server: Server, pid: int) -> None:
    """Stopped between two commits: one that is stopped within one keeps SQLite's lock, and all others wait for it."""
    while True:
        server.signal(signal.SIGSTOP, pid)
        if server.log != "sqlite" or await asyncio.to_thread(is_free, server.data / "answers.db"):
            return
        server.signal(signal.SIGCONT, pid)
        await asyncio.sleep(0.01)


def is_free(path: Path) -> bool:
    """Whether somebody else may write now, or soon."""
    with closing(sqlite3.connect(path, timeout=0.5, isolation_level=None)) as db:
        try:
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        db.execute("ROLLBACK")
    return True


async def told_by(server: Server, play: Play) -> tuple[Judge, str, str]:
    """A client that has asked, and this process tells its answer: else the sibling was quicker, and it asks again."""
    while True:
        client, chat, answer = await play.asks(200, 20, f" {len(play.judges)}")
        await client.entries(1)
        if server.owner(answer) == server.pid:
            return client, chat, answer
        await client.send("stop", answer=answer)
        await client.ended(answer)


async def test_frozen_past_its_lease(sibling: Server) -> None:
    """A process that is stopped for longer than its lease and then goes on: its answer was taken over, it appends
    nothing more to it, and its model call is cancelled."""
    with serving(beside(sibling)) as server:
        async with playing(server.target(), "frozen") as play:
            client, chat, answer = await told_by(server, play)
            await client.until(answer, 20)
            await freeze(server, server.pid)
            watch = play.judge(" at the sibling", target=sibling.target())
            await watch.come_back(chat)
            await eventually(lambda: sibling.owner(answer) == sibling.pid, within_s=SOON_S + SLACK_S)
            await watch.entries(30)
            server.signal(signal.SIGCONT)
            await eventually(lambda: "generation fenced" in server.printed(), within_s=30)
            await asyncio.gather(client.finish(chat), watch.finish(chat))
            report = await holds(play, sibling)
            assert dict(sibling.generations())[answer] == 2
    assert report.counts["takeovers"] == 1


async def test_two_claimants_at_once(data: Path, log: str) -> None:
    """One of two workers is killed with many answers under way; the other one and its replacement both want them, and
    each answer goes to one of the two."""
    settings = {"CHATSERVER_LEASE_S": "5"}  # of the one that is to live as well
    with serving(Server(data, "serve --workers 2", log, settings)) as server:
        async with playing(server.target(), "claimants") as play:
            asked = [await play.asks(100, 20, f" {n}") for n in range(16)]
            for client, _, answer in asked:
                await client.until(answer, 10)
            sampled = server.generations()
            victim = server.owner(asked[0][2])
            server.signal(signal.SIGKILL, victim)
            for client, chat, _ in asked:
                await client.finish(chat)
            sampled += server.generations()
            report = await holds(play, server)
            generations = dict(server.generations())
    assert set(generations.values()) <= {1, 2}
    assert report.counts["takeovers"] == sum(generations.values()) - len(generations) > 0
    assert all(was <= generations[answer] for answer, was in sampled)


@pytest.mark.parametrize("skew_s", [-30, pytest.param(30, marks=pytest.mark.slow)])
async def test_clock_skew(sibling: Server, skew_s: int) -> None:
    """Two processes whose clocks are apart by more than a lease take answers from each other too early or too late;
    none is lost, doubled or spliced."""
    with serving(beside(sibling, CONFORMANCE_SKEW_S=str(skew_s))) as server:
        async with playing(server.target(), f"skew {skew_s}") as play:
            asked = [await play.asks(60, 10, f" {n}") for n in range(3)]
            other = play.judge(" at the sibling", target=sibling.target())
            await other.connect()
            for n in range(3):
                await other.ask(play.target.question(60, 10), chat=play.chat(f"other-{n}"))
            for client, chat, _ in asked:
                await client.finish(chat)
            await other.finish(*(play.chat(f"other-{n}") for n in range(3)))
            await holds(play, sibling)
            generations = [g for a, g in sibling.generations() if a in {answer for *_, answer in asked}]
            assert max(generations) <= 3, "they do not wrest it from each other for ever"


@pytest.mark.slow
async def test_a_worker_that_dies_is_replaced(data: Path, log: str) -> None:
    """The parent starts another process for one that was killed, and connects are served all the while."""
    with serving(Server(data, "serve", log)) as server:
        async with playing(server.target(), "replaced") as play:
            for _ in range(2):
                (worker,) = psutil.Process(server.pid).children()
                server.signal(signal.SIGKILL, worker.pid)
                client = await play.connected()
                await client.ask(play.target.question(12), chat=play.chat())
                await client.ended()
            await holds(play, server)
        assert len(re.findall("a server process died", server.printed())) == 2
