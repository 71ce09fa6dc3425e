"""Connections come and go, and the server goes: nothing stays behind, nobody is closed twice."""

import asyncio
import os
import random
from contextlib import AsyncExitStack
from pathlib import Path

from chatserver.protocol.codes import CloseCode
from tests.delivery.served import System, cursor, script, served, tab
from tests.eventually import eventually

LENGTH = len(script("", [""] * 6))


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def readers(system: System) -> int:
    return sum(len(feed.readers) for feed in system.connections._feeds._feeds.values())


async def come_and_go(system: System, rng: random.Random, n: int) -> None:
    """One client's life: it asks or resumes, reads a bit or nothing, leaves politely or not at all."""
    async with tab(system, user=f"user-{n % 5}") as client:
        if rng.random() < 0.7:
            await client.send("ask", id=f"q{n}", chat="c", text=rng.choice(["3", "held 4", "200"]))
        else:
            await client.send("resume", chat="c")
        for _ in range(rng.randrange(2)):  # there is one event to read in any case
            await client.next()
        if rng.random() < 0.5:
            client.cut()


async def test_churn_leaves_nothing_behind(system: System) -> None:
    """After two hundred connections that ended in every way: no connection, no feed's reader, no task, no file."""
    rng = random.Random(7)
    await come_and_go(system, rng, 0)
    await eventually(lambda: len(system.connections) == 0)
    before, tasks = descriptors(), len(asyncio.all_tasks())
    for first in range(0, 192, 24):
        await asyncio.gather(*(come_and_go(system, rng, n) for n in range(first, first + 24)))
    system.pipeline.release(10**4)
    await eventually(lambda: len(system.connections) == 0 and not system.generations.inflight())
    assert readers(system) == 0
    await eventually(lambda: descriptors() <= before + 2)
    await eventually(lambda: len(asyncio.all_tasks()) <= tasks)


async def test_a_shutdown_closes_each_open_socket_once_with_1012(tmp_path: Path) -> None:
    """With answers under way, sockets idle, busy and cut: every client sees one 1012, the server's log no complaint."""
    async with AsyncExitStack() as clients:
        async with served(tmp_path) as system:
            tabs = [await clients.enter_async_context(tab(system)) for _ in range(8)]
            for n, each in enumerate(tabs[:4]):
                await each.ask("held 6", id=f"q{n}")
            await tabs[4].ask("2000", id="busy")
            tabs[5].cut()
            closing = [asyncio.create_task(each.closed()) for each in tabs if each is not tabs[5]]
        assert set(await asyncio.gather(*closing)) == {1012}


async def test_a_drain_delivers_then_closes(system: System) -> None:
    """Clients are told when to come back; no question is taken any more; answers that end in time are delivered to
    their end; then one close with 1012."""
    async with tab(system) as first, tab(system) as idle:
        accepted = await first.ask("held 6")
        system.pipeline.release(4)
        await first.chunks(4)
        system.connections.drain()
        for each in (first, idle):
            assert (await each.until("draining"))["retry_after_ms"] >= 0
        await idle.send("ask", id="late", chat="c1", text="1")
        refused = await idle.until("error")
        assert (refused["code"], refused["id"]) == ("draining", "late")
        assert refused["retry_after_ms"] >= 0
        draining = asyncio.create_task(system.generations.drain(10))
        system.pipeline.release(LENGTH)
        assert await draining == 0
        await system.connections.close_all(CloseCode.RESTART, "restart")
        assert [await each.closed() for each in (first, idle)] == [1012, 1012]
        assert [seq for seq, _ in first.entries(accepted["answer"])] == list(range(LENGTH))
        assert first.events[-1]["type"] == "end"


async def test_a_client_that_comes_during_a_drain_is_told(system: System) -> None:
    """It may still resume, and hears `draining` right after the welcome."""
    async with tab(system) as first:
        accepted = await first.ask("6")
        await first.until("end")
    system.connections.drain()
    async with tab(system) as late:
        await late.until("draining")
        await late.resume(cursor(accepted, 3))
        await late.until("end")
        assert [seq for seq, _ in late.entries(accepted["answer"])] == list(range(4, LENGTH))


async def test_what_is_handed_over_is_finished_by_the_next_process(tmp_path: Path) -> None:
    """The client reconnects with its cursor to the next server on the same log, and has the answer, once."""
    async with served(tmp_path) as old, tab(old) as first:
        accepted = await first.ask("held 6")
        old.pipeline.release(9)
        await first.chunks(9)
        assert await old.generations.drain(0) == 1
        await old.connections.close_all(CloseCode.RESTART, "restart")
        assert await first.closed() == 1012
    async with served(tmp_path) as new:
        new.pipeline.release(100)
        async with tab(new) as second:
            (answer,) = (await second.resume(cursor(accepted, 8)))["answers"]
            assert (answer["verdict"], answer["epoch"]) == ("resumed", accepted["epoch"])
            assert (await second.until("end"))["state"] == "completed"
            rest = second.entries(accepted["answer"])
            assert [seq for seq, _ in rest] == list(range(9, 9 + len(rest)))
            assert rest[0][1]["type"] == "reset-step"


async def test_a_socket_that_is_closed_by_the_client_is_closed_once(system: System) -> None:
    """A polite leave in the middle of an answer: the server ends the connection without a word more."""
    async with tab(system) as polite:
        await polite.ask("held 6")
        system.pipeline.release(3)
        await polite.chunks(3)
        await polite.socket.close(1000, "bye")
        assert polite.socket.close_code == 1000
    await eventually(lambda: len(system.connections) == 0)
    system.pipeline.release(100)
    await eventually(lambda: not system.generations.inflight())


async def test_a_process_sees_what_another_appends(tmp_path: Path) -> None:
    """Two servers on one data directory: a client of the one is told, live, what the other generates."""
    async with served(tmp_path) as one, served(tmp_path) as two, tab(one) as asker, tab(two) as watcher:
        accepted = await asker.ask("held 6")
        await watcher.resume()
        for server in (one, two):  # either may be the first to claim what is queued
            server.pipeline.release(5)
        await watcher.chunks(5)
        await watcher.send("stop", answer=accepted["answer"])
        assert (await watcher.until("end"))["state"] == "stopped"
        assert (await asker.until("end"))["state"] == "stopped"
        assert watcher.entries(accepted["answer"]) == asker.entries(accepted["answer"])
