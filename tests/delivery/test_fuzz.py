"""A million frames of noise on real sockets."""

import asyncio
import os
import random
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import websockets

from chatserver.protocol.codes import ErrorCode
from tests.delivery.served import System, served, tab
from tests.delivery.test_bad_input import noise, still_answers
from tests.eventually import eventually

FRAMES = int(os.environ.get("FUZZ_FRAMES", "1000000"))
SOCKETS = 8
"""At a time; each lives until its offences are too many."""


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_a_million_frames_of_noise(tmp_path: Path) -> None:
    """No error of ours, no close but for the protocol's own reasons; afterwards no task and no descriptor is left over
    and a question is answered."""
    async with served(tmp_path, log="memory") as system:
        await _fuzzed(system, random.Random(0), 200)  # whatever a first use opens
        await _idle(system)
        before = _held()
        budget = asyncio.Queue[int]()
        for _ in range(FRAMES // 100):
            budget.put_nowait(100)
        async with asyncio.TaskGroup() as group:
            for seed in range(SOCKETS):
                group.create_task(_share(system, random.Random(seed), budget))
        await _idle(system)
        await eventually(lambda: all(now <= then for now, then in zip(_held(), before, strict=True)), within_s=60)
        print(f"{FRAMES} frames; tasks and descriptors before {before}, after {_held()}")
        async with tab(system, user="bob") as again:
            await still_answers(again)


async def _share(system: System, rng: random.Random, budget: "asyncio.Queue[int]") -> None:
    while not budget.empty():
        await _fuzzed(system, rng, budget.get_nowait())


async def _fuzzed(system: System, rng: random.Random, frames: int) -> None:
    while frames > 0:
        async with tab(system) as fuzzed:
            reading = asyncio.create_task(fuzzed.closed())
            with suppress(websockets.ConnectionClosed):
                while frames > 0:
                    frames -= 1
                    await fuzzed.socket.send(noise(rng))
            await fuzzed.socket.close()
            assert await reading in {1000, 1006, 1008, 4408}
            codes = {event["code"] for event in fuzzed.events if event["type"] == "error"}
            assert codes <= set(ErrorCode) - {"internal", "unavailable"}


def _held() -> tuple[int, int]:
    """Tasks and descriptors."""
    return len(asyncio.all_tasks()), psutil.Process().num_fds()


async def _idle(system: System) -> None:
    await eventually(lambda: not len(system.connections) and not system.generations.inflight(), within_s=60)
