"""A socket that somebody else holds, as systemd does with `chatserver.socket`: a restart refuses nobody."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.delivery.test_process_drain import takes_no_connection

CONFIG = Path(__file__).parents[2] / "deploy" / "systemd" / "uvicorn.toml"
CHATSERVER = Path(sys.executable).parent / "chatserver"
WAIT_S = 60.0


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@contextmanager
def service(listener: socket.socket, directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The command of `chatserver.service`, the socket as descriptor 3."""
    command = f'exec "{CHATSERVER}" serve --config "{CONFIG}" 3<&{listener.fileno()}'
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CHATSERVER_", "OPENAI_"))}
    environment = {**kept, "CHATSERVER_DATA_DIR": str(directory / "data"), "CHATSERVER_MODEL": "scripted"}
    with (directory / "output").open("ab") as output:
        process = subprocess.Popen(
            ["bash", "-c", command],
            pass_fds=[listener.fileno()],
            env=environment,
            cwd=directory,
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0, (directory / "output").read_text()


async def test_a_restart_refuses_nobody(listener: socket.socket, tmp_path: Path) -> None:
    """Whoever connects between the end of one service and the start of the next waits, and is served."""
    port = listener.getsockname()[1]
    ready = f"http://127.0.0.1:{port}/readyz"
    async with httpx.AsyncClient(trust_env=False, timeout=WAIT_S) as http:
        with ExitStack() as stack:
            stack.enter_context(service(listener, tmp_path))
            assert (await http.get(ready)).status_code == 200
        assert not takes_no_connection(port)
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(http.get(ready, headers={"connection": "close"}))
            with service(listener, tmp_path):
                assert (await waiting).status_code == 200
