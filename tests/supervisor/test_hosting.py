"""The worker beside a server: what the server does while none can be started."""

import asyncio
import sys
from pathlib import Path

import pytest
import structlog

from chatserver.settings import Settings, Storage
from chatserver.supervisor import hosting
from chatserver.supervisor.hosting import WorkerHost
from tests.eventually import eventually


async def test_a_worker_that_cannot_be_started_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server goes on without it, says so, and has one as soon as there can be one."""
    program = tmp_path / "python"
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(hosting, "_AGAIN_S", 0.01)

    async def has_work() -> bool:
        return True

    host = WorkerHost(Settings(storage=Storage(data_dir=tmp_path)), has_work, asyncio.Event())
    with structlog.testing.capture_logs() as lines:
        running = asyncio.create_task(host.run())
        await eventually(lambda: running.done() or len(lines) > 1)
        assert {line["event"] for line in lines} == {"worker not started"}
        draft = tmp_path / "draft"
        draft.write_text("#!/bin/sh\nexec sleep 600\n")
        draft.chmod(0o755)
        draft.rename(program)
        await eventually(lambda: host.pid)
        await host.drain()
    await running
