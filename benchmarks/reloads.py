"""Reloads under load: the server is replaced again and again while clients ask, and other clients only connect.

python -m benchmarks.reloads --reloads 100 --json artifacts/reloads.json
"""

import argparse
import asyncio
import json
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import websockets

from benchmarks.delivery_process import connect, supervised_server
from chatserver.client import Client
from chatserver.models.scripted import parse_script

SCRIPT = "/script tokens=60 delay_ms=20"
ASKERS = 10
_PROBE_S = 0.02


async def ask_on(port: int, counts: Counter[str], stop: asyncio.Event) -> None:
    """Asks one question after the other and compares what comes with what the model said."""
    expected = parse_script(SCRIPT).text().strip()
    async with Client(f"http://127.0.0.1:{port}") as client:
        while not stop.is_set():
            stream = client.ask(SCRIPT)
            seqs = [entry.seq async for entry in stream]
            counts["answers"] += 1
            counts["entries"] += len(seqs)
            counts["gaps or doubles"] += seqs != list(range(len(seqs)))
            counts["lost or spliced"] += stream.answer.text.strip() != expected


async def probe(port: int, counts: Counter[str], stop: asyncio.Event) -> None:
    """Connects and leaves, all the time."""
    while not stop.is_set():
        counts["connects"] += 1
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        except ConnectionError:
            counts["refused connects"] += 1
        await asyncio.sleep(_PROBE_S)


async def serving(port: int) -> str:
    """The name of the process that takes a new connection."""
    while True:
        with suppress(websockets.WebSocketException, OSError, EOFError):
            async with await connect(port) as connection:
                return str(json.loads(await connection.recv())["server"])


async def reload_often(port: int, supervisor: psutil.Process, reloads: int) -> dict[str, Any]:
    counts: Counter[str] = Counter({"refused connects": 0, "gaps or doubles": 0, "lost or spliced": 0})
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for _ in range(ASKERS):
            group.create_task(ask_on(port, counts, stop))
        group.create_task(probe(port, counts, stop))
        server = await serving(port)
        for _ in range(reloads):
            before = server
            supervisor.send_signal(signal.SIGHUP)
            while server == before:
                await asyncio.sleep(0.1)
                server = await serving(port)
            counts["reloads"] += 1
        stop.set()
    return dict(counts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reloads", type=int, default=100)
    parser.add_argument("--json", type=Path, help="write the figures there")
    arguments = parser.parse_args()
    settings = {"CHATSERVER_DRAIN_S": "2"}
    with TemporaryDirectory() as directory, supervised_server(Path(directory), settings=settings) as (port, process):
        figures = asyncio.run(reload_often(port, process, arguments.reloads))
    print(json.dumps(figures, indent=2))
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
