"""CPU per delivered entry against a bare Starlette send loop, memory per idle connection, growth over many entries."""

import json
import statistics
from typing import Any

import psutil

from benchmarks.delivery_process import ask, connect, cpu_s

_WARM = 100  # connections that open the allocator's pools before the count begins


async def answer(port: int, entries: int) -> tuple[int, str]:
    """Asks for an answer of so many text entries; returns the number of entries received and one text frame."""
    async with await connect(port) as connection:
        await connection.send(ask(f"/script tokens={entries}"))
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
    async with await connect(port, "bare") as connection:
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
        "ratio_min_max": [round(min(ratios), 2), round(max(ratios), 2)],
        "frame_bytes": len(frame),
    }


async def idle_kib(port: int, process: psutil.Process, path: str, count: int) -> float:
    """Growth of the server's resident memory, KiB per connection that has said nothing."""
    connections = [await connect(port, path) for _ in range(_WARM)]
    before = process.memory_info().rss
    connections += [await connect(port, path) for _ in range(count)]
    grown = process.memory_info().rss - before
    for connection in connections:
        if path == "bare":
            await connection.send('{"count": 0, "frame": ""}')
        await connection.close()
    return round(grown / 1024 / count, 1)


async def growth_mib(port: int, process: psutil.Process, entries: int, per_answer: int) -> dict[str, Any]:
    """Growth of resident memory while so many entries are streamed, after as many have filled the caches."""
    answers = entries // per_answer
    for _ in range(answers):
        await answer(port, per_answer)
    before = process.memory_info().rss
    for _ in range(answers):
        await answer(port, per_answer)
    return {
        "growth_entries": answers * per_answer,
        "growth_mib": round((process.memory_info().rss - before) / 1024**2, 1),
    }
