"""Server processes on ephemeral loopback ports, what they cost, and plain clients of them."""

import json
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
import websockets


@contextmanager
def bench_server(data_dir: Path) -> Iterator[tuple[int, psutil.Process]]:
    """`benchmarks.delivery_server`: the port and the process."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(2048)
        listener.set_inheritable(True)
        environment = {**os.environ, "BENCH_FD": str(listener.fileno())}
        command = [sys.executable, "-m", "benchmarks.delivery_server", str(data_dir)]
        process = subprocess.Popen(command, env=environment, pass_fds=[listener.fileno()], stderr=subprocess.DEVNULL)
        try:
            yield listener.getsockname()[1], psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def supervised_server(
    data_dir: Path, *, workers: int = 1, settings: Mapping[str, str] | None = None
) -> Iterator[tuple[int, psutil.Process]]:
    """`chatserver serve` with the scripted model: the port and the supervisor."""
    environment = {**os.environ, "CHATSERVER_MODEL": "scripted", **(settings or {})}
    command = [
        str(Path(sys.executable).with_name("chatserver")),
        *("serve", "--port=0", f"--data-dir={data_dir}", f"--workers={workers}"),
    ]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        ready = next(line for line in process.stdout if "ready: " in line)
        yield int(ready.rpartition(":")[2]), psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(60)


def cpu_s(process: psutil.Process) -> float:
    """CPU time of the process, seconds: all threads, from the scheduler's own count (nanoseconds, where psutil's
    figure comes in ticks of 10 ms)."""
    threads = Path(f"/proc/{process.pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


async def connect(port: int, path: str = "ws") -> websockets.ClientConnection:
    subprotocols = [websockets.Subprotocol("chat.v1")] if path == "ws" else None
    return await websockets.connect(
        f"ws://127.0.0.1:{port}/{path}",
        subprotocols=subprotocols,
        compression=None,
        max_queue=None,
        max_size=None,
        open_timeout=60,  # a server may be starting on a busy machine
    )


def ask(text: str, *, chat: str = "") -> str:
    """An `ask` frame with an id of its own."""
    return json.dumps({"type": "ask", "id": uuid.uuid4().hex, "chat": chat or uuid.uuid4().hex, "text": text})
