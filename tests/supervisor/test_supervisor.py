"""The supervisor with real server processes, told of changes by the test."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chatserver.supervisor.process import ServerProcess
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
