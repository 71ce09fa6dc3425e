"""How long an answer waits for its next owner: after a SIGKILL of the process that tells it, and after a drain."""

import asyncio
import contextlib
import json
import signal
import statistics
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import websockets

from benchmarks.delivery_process import ask, connect, supervised_server

LEASE_S = 5.0
_TELLING = 30  # the entry at which the owner is ended, well inside the text


async def wait_after(port: int, end_owner: Callable[[], None]) -> float:
    """Seconds from the end of the owner to `reset-step`, the first word of the next one, read by a client that
    reconnects at once."""
    connection = await connect(port)
    await connection.send(ask("/script tokens=3000 delay_ms=20"))
    cursor: dict[str, Any] = {}
    chat = ""
    ended_at = 0.0
    while True:
        with contextlib.suppress(websockets.ConnectionClosed):
            async for frame in connection:
                event = json.loads(frame)
                if event["type"] == "accepted":
                    chat = event["chat"]
                elif event["type"] == "chunk":
                    cursor = {key: event[key] for key in ("answer", "epoch", "seq")}
                    if ended_at and event["chunk"]["type"] == "reset-step":
                        waited = time.monotonic() - ended_at
                        await connection.send(json.dumps({"type": "stop", "answer": cursor["answer"]}))
                        await connection.close()
                        return waited
                    if not ended_at and event["seq"] == _TELLING:
                        ended_at = time.monotonic()
                        end_owner()
        connection = await _again(port)
        await connection.send(json.dumps({"type": "resume", "chat": chat, "cursors": [cursor]}))


async def _again(port: int) -> Any:
    while True:
        try:
            return await connect(port)
        except (OSError, EOFError):
            await asyncio.sleep(0.02)


def owner_of(port: int, supervisor: psutil.Process) -> psutil.Process:
    """The worker that tells an answer: the one whose `/v1/inflight`, asked often enough, shows it."""
    for _ in range(200):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/inflight") as reply:
            running = json.load(reply)["generations"]
        if running:
            return psutil.Process(int(running[0]["owner"].rsplit("-", 2)[1]))
    raise RuntimeError(f"no worker of {supervisor.pid} tells an answer")


async def takeover(rounds: int) -> dict[str, Any]:
    """Two workers on one log; one after the other is killed, then drained with no budget."""
    settings = {"CHATSERVER_LEASE_S": str(LEASE_S), "CHATSERVER_DRAIN_S": "0"}
    killed: list[float] = []
    drained: list[float] = []
    with TemporaryDirectory() as directory, supervised_server(Path(directory), workers=2, settings=settings) as server:
        port, supervisor = server

        def signal_owner(number: signal.Signals) -> Callable[[], None]:
            return lambda: owner_of(port, supervisor).send_signal(number)

        for waits, number in ((killed, signal.SIGKILL), (drained, signal.SIGTERM)):
            for _ in range(rounds):
                waits.append(await wait_after(port, signal_owner(number)))
                await asyncio.sleep(6)  # the supervisor has replaced it, also on a busy machine
    return {
        "takeover_lease_s": LEASE_S,
        "takeover_after_kill_s": {"median": round(statistics.median(killed), 2), "max": round(max(killed), 2)},
        "takeover_after_drain_s": {"median": round(statistics.median(drained), 2), "max": round(max(drained), 2)},
    }
