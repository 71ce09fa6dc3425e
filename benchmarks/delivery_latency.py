"""What the log adds to the way of a token: from the moment the model said it to the moment a client reads it.

The model writes the monotonic clock, which the processes of one machine share, into each token.
"""

import asyncio
import json
import statistics
import time
from typing import Any

from benchmarks.delivery_process import ask, connect


async def added_ms(port: int, tokens: int, delay_ms: int) -> list[float]:
    """One answer: for each token the time from the model to us, milliseconds."""
    added: list[float] = []
    async with await connect(port) as connection:
        await connection.send(ask(f"/stamped tokens={tokens} delay_ms={delay_ms}"))
        async for frame in connection:
            read_at = time.monotonic_ns()
            event = json.loads(frame)
            if event["type"] == "end":
                return added
            if event["type"] == "chunk" and event["chunk"]["type"] == "text-delta":
                stamps = event["chunk"]["delta"].split()
                added += [(read_at - int(stamp)) / 1e6 for stamp in stamps]
    raise RuntimeError("the connection ended before the answer")


async def latency(port: int, *, rounds: int, streams: int, tokens: int = 50, delay_ms: int = 20) -> dict[str, Any]:
    await added_ms(port, tokens, delay_ms)  # warm-up
    first: list[float] = []
    later: list[float] = []
    for _ in range(rounds):
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(added_ms(port, tokens, delay_ms)) for _ in range(streams)]
        for task in tasks:
            head, *rest = task.result()
            first.append(head)
            later += rest
    return {
        "first_text_ms": {"p50": _percentile(first, 50), "p99": _percentile(first, 99)},
        "later_text_ms": {"p50": _percentile(later, 50), "p99": _percentile(later, 99)},
        "latency_streams": streams,
    }


def _percentile(values: list[float], percent: int) -> float:
    return round(statistics.quantiles(values, n=100)[percent - 1], 2)
