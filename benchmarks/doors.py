"""What each door costs beside the native socket: CPU of the server per entry of an answer, from the scripted model over
the SQLite log to the client, all doors in turn in each round.

    python -m benchmarks.doors [--entries 20000] [--rounds 7] --json artifacts/doors.json
"""

import argparse
import asyncio
import json
import statistics
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.delivery_cost import answer
from benchmarks.delivery_process import bench_server, connect, cpu_s

NATIVE = "chat.v1"
Reading = Callable[[int, int], Awaitable[None]]
"""Port and number of text entries: asks for an answer of that length and reads it to its end."""


async def native(port: int, entries: int) -> None:
    await answer(port, entries)


async def ai_sdk_socket(port: int, entries: int) -> None:
    frame = {"type": "send", "requestId": "r", "headers": {}, "body": {}, **_chat(entries)}
    async with await connect(port, "ws/ai-sdk") as connection:
        await connection.send(json.dumps(frame))
        async for told in connection:
            if str(told).startswith('{"type":"end"'):
                return


async def ai_sdk_stream(port: int, entries: int) -> None:
    await _read(port, "/api/chat", _chat(entries))


async def completion_stream(port: int, entries: int) -> None:
    await _read(port, "/v1/chat/completions", _completion(entries, stream=True))


async def completion_whole(port: int, entries: int) -> None:
    await _read(port, "/v1/chat/completions", _completion(entries, stream=False))


async def events(port: int, entries: int) -> None:
    """Reads along while the answer is told: it is asked at another door, which is left at once."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=120) as http:
        async with http.stream("POST", "/api/chat", json=_chat(entries)) as response:
            id = response.headers["x-chatserver-answer"]
        async with http.stream("GET", f"/v1/answers/{id}/events") as response:
            async for _ in response.aiter_raw():
                pass


DOORS: dict[str, Reading] = {
    NATIVE: native,
    "/ws/ai-sdk": ai_sdk_socket,
    "POST /api/chat": ai_sdk_stream,
    "GET /v1/answers/{answer}/events": events,
    "POST /v1/chat/completions, streamed": completion_stream,
    "POST /v1/chat/completions, whole": completion_whole,
}


async def cost(port: int, process: psutil.Process, entries: int, rounds: int) -> dict[str, Any]:
    """A B C … A B C …, so that a noisy machine is noisy to all; a ratio is of one round."""
    for read in DOORS.values():  # warm-up
        await read(port, entries)
    spent: dict[str, list[float]] = {door: [] for door in DOORS}
    for _ in range(rounds):
        for door, read in DOORS.items():
            before = cpu_s(process)
            await read(port, entries)
            spent[door].append((cpu_s(process) - before) / entries * 1e6)
    return {door: _figures(us, spent[NATIVE]) for door, us in spent.items()}


def _figures(us: list[float], native_us: list[float]) -> dict[str, Any]:
    ratios = [one / beside for one, beside in zip(us, native_us, strict=True)]
    return {
        "us_per_entry": round(statistics.median(us), 2),
        "ratio": round(statistics.median(ratios), 2),
        "ratio_min_max": [round(min(ratios), 2), round(max(ratios), 2)],
    }


def _chat(entries: int) -> dict[str, Any]:
    parts = [{"type": "text", "text": f"/script tokens={entries}"}]
    message = {"id": uuid.uuid4().hex, "role": "user", "parts": parts}
    return {"id": uuid.uuid4().hex, "trigger": "submit-message", "messages": [message]}


def _completion(entries: int, *, stream: bool) -> dict[str, Any]:
    messages = [{"role": "user", "content": f"/script tokens={entries}"}]
    return {"model": "chatserver", "messages": messages, "stream": stream}


async def _read(port: int, path: str, body: dict[str, Any]) -> None:
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=120) as http,
        http.stream("POST", path, json=body) as response,
    ):
        async for _ in response.aiter_raw():
            pass


def show(figures: dict[str, Any]) -> None:
    table = Table("door", "us per entry", "times the native socket", "in single rounds", title="Doors")
    for door, row in figures.items():
        low, high = row["ratio_min_max"]
        table.add_row(door, str(row["us_per_entry"]), str(row["ratio"]), f"{low} to {high}")
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with TemporaryDirectory() as directory, bench_server(Path(directory)) as (port, process):
        figures = asyncio.run(cost(port, process, arguments.entries, arguments.rounds))
    show(figures)
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
