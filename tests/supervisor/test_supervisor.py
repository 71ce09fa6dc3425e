"""The supervisor with real processes, told of changes by the test."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from chatserver.supervisor.process import READY, ServerProcess
from chatserver.supervisor.supervisor import Supervisor, Timing
from tests.eventually import eventually


async def test_a_save_while_the_first_processes_start_is_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may have read the old code: they are replaced once they are ready."""
    monkeypatch.setenv("CHATSERVER_DATA_DIR", str(tmp_path))
    started: list[ServerProcess] = []

    async def saves() -> AsyncIterator[frozenset[str]]:
        yield frozenset({"app.py"})

    with socket.create_server(("127.0.0.1", 0)) as listener:

        async def start() -> ServerProcess:
            started.append(await ServerProcess.start(listener, {}))
            return started[-1]

        ready = asyncio.Event()
        supervisor = Supervisor(start, workers=1, timing=Timing(drain_s=5), changes=saves(), on_ready=ready.set)
        running = asyncio.create_task(supervisor.run())
        await eventually(lambda: len(started) == 2, within_s=60)
        assert ready.is_set()
        await started[0].wait()
        supervisor._on_stop()
        assert await running == 0
    assert len(started) == 2


class Idle:
    """Starts processes that do nothing but live, and end when they are told to; each is ready when the test says so."""

    def __init__(self) -> None:
        self.started: list[ServerProcess] = []
        self.channels: list[socket.socket] = []
        self.before_return: Callable[[], object] = lambda: None

    async def start(self) -> ServerProcess:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        process = ServerProcess(await asyncio.create_subprocess_exec("sleep", "600"), ours)
        self.started.append(process)
        self.channels.append(theirs)
        self.before_return()
        for _ in range(20):  # as long as it is being started the loop goes on
            await asyncio.sleep(0)
        return process

    async def ready(self, number: int) -> None:
        await eventually(lambda: len(self.channels) > number)
        self.channels[number].send(READY)

    async def ended(self, number: int) -> None:
        async with asyncio.timeout(30):
            await self.started[number].wait()


@pytest.fixture
async def idle() -> AsyncIterator[Idle]:
    idle = Idle()
    yield idle
    for process, channel in zip(idle.started, idle.channels, strict=True):
        process.kill()
        await process.wait()
        channel.close()


async def test_a_process_that_is_just_started_again_ends_with_the_others(idle: Idle) -> None:
    """SIGTERM in the moment in which a dead one's successor is being made: it is not left serving for ever."""
    supervisor = Supervisor(idle.start, workers=1, timing=Timing(drain_s=600))
    running = asyncio.create_task(supervisor.run())
    await idle.ready(0)
    await eventually(lambda: supervisor._serving)
    idle.before_return = supervisor._on_stop
    idle.started[0].kill()
    async with asyncio.timeout(30):
        assert await running == 0
    assert len(idle.started) == 2
    await asyncio.gather(idle.ended(0), idle.ended(1))


async def test_a_successor_that_comes_after_a_replacement_ends(idle: Idle) -> None:
    """A process dies, and while another one is made in its place all are replaced: there are no more than wanted, and
    none of the older code."""
    supervisor = Supervisor(idle.start, workers=1, timing=Timing(drain_s=600))
    running = asyncio.create_task(supervisor.run())
    await idle.ready(0)
    await eventually(lambda: supervisor._serving)
    idle.started[0].kill()
    await eventually(lambda: len(idle.started) == 2)
    supervisor._on_replace("a save")
    await idle.ready(2)
    await eventually(lambda: supervisor._serving == {idle.started[2]})
    await idle.ready(1)
    await asyncio.gather(idle.ended(0), idle.ended(1))
    assert supervisor._serving == {idle.started[2]}
    supervisor._on_stop()
    assert await running == 0
    await idle.ended(2)
