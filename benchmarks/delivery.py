"""What delivering an entry costs: CPU per entry from the scripted model over the SQLite log to the socket, against a
bare Starlette send loop in the same process, and memory per idle connection.

    python -m benchmarks.delivery --json artifacts/delivery.json
"""

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import websockets
from rich.console import Console
from rich.table import Table

ENTRIES = 4000
ROUNDS = 15
IDLE = 1000
_WARM = 100  # connections that open the allocator's pools before the count begins


@contextmanager
def server(data_dir: Path) -> Iterator[tuple[int, psutil.Process]]:
    """The server process on an ephemeral loopback port: the port and the process."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(2048)
        listener.set_inheritable(True)
        environment = {**os.environ, "BENCH_FD": str(listener.fileno())}
        command = [sys.executable, "-m", "benchmarks.delivery_server", str(data_dir)]
        process = subprocess.Popen(command, env=environment, pass_fds=[listener.fileno()])
        try:
            yield listener.getsockname()[1], psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(30)


def cpu_s(process: psutil.Process) -> float:
    """CPU time of the process, seconds: all threads, from the scheduler's own count (nanoseconds, where psutil's
    figure comes in ticks of 10 ms)."""
    threads = Path(f"/proc/{process.pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


async def open_socket(port: int, path: str) -> websockets.ClientConnection:
    subprotocols = [websockets.Subprotocol("chat.v1")] if path == "ws" else None
    return await websockets.connect(
        f"ws://127.0.0.1:{port}/{path}", subprotocols=subprotocols, compression=None, max_queue=None, max_size=None
    )


async def answer(port: int, entries: int) -> tuple[int, str]:
    """Asks for an answer of so many text entries; returns the number of entries received and one text frame."""
    async with await open_socket(port, "ws") as connection:
        ask = {"type": "ask", "id": uuid.uuid4().hex, "chat": uuid.uuid4().hex, "text": f"/script tokens={entries}"}
        await connection.send(json.dumps(ask))
        received, sample = 0, ""
        async for frame in connection:
            assert isinstance(frame, str)
            if frame.startswith('{"type":"chunk"'):
                received += 1
                if '"text-delta"' in frame:
                    sample = frame
            elif frame.startswith('{"type":"end"'):
                return received, sample
    raise RuntimeError("the connection ended before the answer")


async def bare_loop(port: int, count: int, frame: str) -> None:
    async with await open_socket(port, "bare") as connection:
        await connection.send(json.dumps({"count": count, "frame": frame}))
        for _ in range(count):
            await connection.recv()
        await connection.send("done")


async def cost_per_entry(port: int, process: psutil.Process, entries: int, rounds: int) -> dict[str, Any]:
    """The two in turn, A B A B …, so that a noisy machine is noisy to both."""
    _, frame = await answer(port, entries)  # warm-up
    await bare_loop(port, entries, frame)
    bare, ours = [], []
    for _ in range(rounds):
        before = cpu_s(process)
        await bare_loop(port, entries, frame)
        between = cpu_s(process)
        received, _ = await answer(port, entries)
        ours.append((cpu_s(process) - between) / received * 1e6)
        bare.append((between - before) / entries * 1e6)
    ratios = [ours_us / bare_us for ours_us, bare_us in zip(ours, bare, strict=True)]
    return {
        "baseline_us_per_send": round(statistics.median(bare), 2),
        "us_per_entry": round(statistics.median(ours), 2),
        "ratio": round(statistics.median(ratios), 2),
        "frame_bytes": len(frame),
    }


async def idle_memory(port: int, process: psutil.Process, path: str, count: int) -> float:
    """Growth of the server's resident memory, KiB per connection that has said nothing."""
    connections = [await open_socket(port, path) for _ in range(_WARM)]
    before = process.memory_info().rss
    connections += [await open_socket(port, path) for _ in range(count)]
    grown = process.memory_info().rss - before
    for connection in connections:
        if path == "bare":
            await connection.send('{"count": 0, "frame": ""}')
        await connection.close()
    return round(grown / 1024 / count, 1)


async def measure(entries: int, rounds: int, idle: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory, server(Path(directory)) as (port, process):
        cost = await cost_per_entry(port, process, entries, rounds)
    memory = {}
    for name, path in (("idle_kib", "ws"), ("baseline_idle_kib", "bare")):
        with tempfile.TemporaryDirectory() as directory, server(Path(directory)) as (port, process):
            await answer(port, 10)
            memory[name] = await idle_memory(port, process, path, idle)
    return {**cost, **memory, "entries": entries, "rounds": rounds}


def show(figures: dict[str, Any]) -> None:
    table = Table(title="Delivery")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in figures.items():
        table.add_row(name, str(value))
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--entries", type=int, default=ENTRIES, help="text entries of one answer")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="pairs of runs")
    parser.add_argument("--idle", type=int, default=IDLE, help="idle connections")
    arguments = parser.parse_args()
    figures = asyncio.run(measure(arguments.entries, arguments.rounds, arguments.idle))
    show(figures)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
