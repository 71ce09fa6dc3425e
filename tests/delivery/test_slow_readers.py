"""Peers that stop reading, and answers that do not fit into any buffer."""

import asyncio
import dataclasses
import socket
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chatserver.delivery import connection as connection_module
from chatserver.delivery import manager as manager_module
from tests.delivery.served import POLICY, System, Tab, cursor, script, served, tab
from tests.eventually import eventually

LARGE = "40 x 400000"
"""More than the kernel's buffers and the transport's hold, in few entries."""
LENGTH = len(script("", [""] * 40))


class Clock:
    """The sweep's. It stands still until a peer has stopped reading: a busy machine costs no other its connection."""

    def __init__(self) -> None:
        self.runs = False
        self._seen = time.monotonic()
        self._passed = 0.0

    def __call__(self) -> float:
        before, self._seen = self._seen, time.monotonic()
        self._passed += self._seen - before if self.runs else 0.0
        return self._passed


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> AsyncIterator[System]:
    monkeypatch.setattr(manager_module, "_SWEEP_S", 0.05)
    monkeypatch.setattr(connection_module, "_CLOSE_S", 0.1)
    async with served(tmp_path, policy=dataclasses.replace(POLICY, stall_s=0.4), clock=clock) as system:
        yield system
        clock.runs = True


@pytest.fixture
async def patient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[System]:
    """Waits long enough for a frame that a busy machine is slow to take."""
    monkeypatch.setattr(manager_module, "_SWEEP_S", 0.05)
    async with served(tmp_path, policy=dataclasses.replace(POLICY, stall_s=1.5)) as system:
        yield system


def stop_reading(tab: Tab) -> None:
    tab.socket.transport.pause_reading()


async def small_receiver(system: System) -> socket.socket:
    """A connected socket whose kernel takes little from the peer."""
    receiver = socket.socket(proto=socket.IPPROTO_TCP)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    receiver.setblocking(False)
    host, port = system.address.split(":")
    await asyncio.get_running_loop().sock_connect(receiver, (host, int(port)))
    return receiver


async def dropped(system: System, clock: Clock, left: int) -> None:
    """Returns once so many connections are left."""
    clock.runs = True
    await eventually(lambda: len(system.connections) == left)
    clock.runs = False


async def test_a_peer_that_stops_reading_is_dropped_and_resumes(system: System, clock: Clock) -> None:
    """It is closed while others go on undisturbed; on its next connection it gets the rest, contiguous, once."""
    async with tab(system, sock=await small_receiver(system)) as slow, tab(system) as other:
        accepted = await slow.ask(LARGE)
        answer = accepted["answer"]
        await slow.chunks(8)
        stop_reading(slow)
        await dropped(system, clock, left=1)
        theirs = await other.ask("50", id="q2")
        await other.until("end")
        assert len(other.entries(theirs["answer"])) == len(script("", [""] * 50))
        slow.cut()
    assert (await system.sealed(answer)).state == "completed"
    async with tab(system) as again:
        await again.resume(cursor(accepted, 7))
        assert (await again.until("end", answer=answer))["state"] == "completed"
        assert [seq for seq, _ in again.entries(answer)] == list(range(8, LENGTH))


async def test_a_slow_peer_that_reads_again_finds_the_close(system: System, clock: Clock) -> None:
    """What it had not read is still in its buffers; behind it comes the end of the connection: 4408 or, when even the
    close could not be sent, a plain loss. Never a hole before."""
    async with tab(system, sock=await small_receiver(system)) as slow:
        answer = (await slow.ask(LARGE))["answer"]
        await slow.chunks(1)
        stop_reading(slow)
        await dropped(system, clock, left=0)
        slow.socket.transport.resume_reading()
        assert await slow.closed() in {4408, 1006}
        seqs = [seq for seq, _ in slow.entries(answer)]
        assert seqs == list(range(len(seqs)))
        assert len(seqs) < LENGTH


async def test_a_peer_that_reads_slowly_is_not_dropped(patient: System) -> None:
    """As long as it takes a frame now and then, it is served."""
    async with tab(patient, sock=await small_receiver(patient), max_queue=1) as slow:
        answer = (await slow.ask("12 x 300000"))["answer"]
        for _ in range(len(script("", [""] * 12))):
            await slow.chunks(1)
            await asyncio.sleep(0.1)  # less than stall_s, more than it needs in all
        await slow.until("end")
        assert [seq for seq, _ in slow.entries(answer)] == list(range(len(script("", [""] * 12))))


async def test_a_pause_of_the_server_is_not_the_peers(patient: System) -> None:
    """However long the process was held up while a send waited, a peer that goes on reading is served."""
    async with tab(patient, sock=await small_receiver(patient), max_queue=1) as slow:
        answer = (await slow.ask("12 x 300000"))["answer"]
        await slow.chunks(2)
        await asyncio.sleep(0.1)  # for a sweep to have seen the send that waits
        time.sleep(2)  # noqa: ASYNC251 - it is the pause
        await slow.until("end")
        assert [seq for seq, _ in slow.entries(answer)] == list(range(len(script("", [""] * 12))))


@pytest.mark.parametrize("question", ["5000", "30 x 100000"], ids=["more than 4096 entries", "more than 1 MiB"])
async def test_an_answer_longer_than_the_window(system: System, question: str) -> None:
    """A client that comes when it is over reads it from the log, whole; so does one that tailed it."""
    length = len(script("", [""] * int(question.split()[0])))
    async with tab(system) as first:
        accepted = await first.ask(question)
        await first.until("end")
        assert [seq for seq, _ in first.entries(accepted["answer"])] == list(range(length))
    for place in (-1, length // 2):
        async with tab(system) as late:
            await late.resume(cursor(accepted, place))
            await late.until("end")
            assert [seq for seq, _ in late.entries(accepted["answer"])] == list(range(place + 1, length))


async def test_a_close_that_cannot_be_sent_ends_too(system: System, clock: Clock) -> None:
    """A peer that offends and does not read is gone after `stall_s`, not when it likes."""
    async with tab(system, sock=await small_receiver(system)) as rude:
        await rude.ask(LARGE)
        stop_reading(rude)
        for _ in range(30):
            await rude.socket.send("{")
        await dropped(system, clock, left=0)
        rude.cut()


async def test_nobody_is_slowed_down_by_large_answers(system: System) -> None:
    """While megabytes are appended and delivered, the event loop is never held for long: by its own work or by waiting
    for a disk. For a processor it may wait, as a shared machine has it."""
    loop = asyncio.get_running_loop()
    held: list[float] = []

    async def watch() -> None:
        while True:
            before, queued = loop.time(), _queued_s()
            await asyncio.sleep(0.005)
            held.append(loop.time() - before - 0.005 - (_queued_s() - queued))

    async with tab(system) as first, tab(system) as second:
        watching = asyncio.create_task(watch())
        await first.ask("8 x 1000000", id="q1")
        await second.resume()
        await second.ask("4000", id="q2")
        await asyncio.gather(first.until("end"), second.until("end"))
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    assert max(held) < 0.25, "this loop also runs both clients"
    assert sorted(held)[len(held) // 2] < 0.1


async def test_a_cut_in_the_middle_of_a_frame(system: System) -> None:
    """A peer that is cut in the middle of a frame leaves nothing behind."""
    for _ in range(5):
        async with tab(system, sock=await small_receiver(system)) as cut:
            await cut.ask("4 x 400000", id=f"{id(cut)}")
            stop_reading(cut)
            cut.cut()
    await eventually(lambda: len(system.connections) == 0)


async def test_the_close_of_a_slow_reader_has_its_code(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that stalls while its socket still takes the close frame sees 4408."""
    monkeypatch.setattr(connection_module, "_CLOSE_S", 60.0)  # it reads on through a small buffer
    async with tab(system, sock=await small_receiver(system)) as slow:
        await slow.ask(LARGE)
        stop_reading(slow)
        (connection,) = system.connections._connections.values()
        await eventually(lambda: connection._is_sending)
        connection.drop_slow()
        slow.socket.transport.resume_reading()
        assert await slow.closed() == 4408


def _queued_s() -> float:
    """How long this thread has waited for a processor in all; 0 where Linux does not tell."""
    told = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
    return int(told.read_text().split()[1]) / 1e9 if told.exists() else 0.0
