"""Whole questions, from text to the end of the answer, against a model server that is slow or fails, and vectors and a
graph that fail too."""

import asyncio
import statistics
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from benchmarks.faulty_model import FaultyModel, serving
from benchmarks.sample import QUESTIONS, ingested
from chatserver.guards.watch import Counts
from chatserver.models.openai_compatible import Limits, OpenAICompatibleModel
from chatserver.pipeline.port import Pipeline, Question
from chatserver.settings import Generation, Model, Settings
from chatserver.wiring import open_knowledge, open_pipeline
from chatserver.wiring.threads import start_threads
from retrieval.types import LegState

ANSWER_TIMEOUT_S = 120.0
HANG_S = ANSWER_TIMEOUT_S + 10
FAULTS = 0.05
WARM_UP = 40
SILENCES = Limits(connect_s=5, first_token_s=10, between_tokens_s=5)
"""Shorter than the server's own, so that hundreds of stalls end within a benchmark; longer than a busy machine is
late."""


@asynccontextmanager
async def pipeline_on(settings: Settings, server: FaultyModel, counts: Counts) -> AsyncIterator[Pipeline]:
    """All of the system between a question and its entries, wired as `serve` wires it."""
    settings = settings.model_copy(
        update={
            "model": Model(name="stub", base_url=server.url),
            "generation": Generation(answer_timeout_s=ANSWER_TIMEOUT_S),
        }
    )
    model = OpenAICompatibleModel("stub", base_url=server.url, limits=SILENCES)
    async with (
        open_knowledge(settings, counts) as knowledge,
        open_pipeline(settings, knowledge, model) as pipeline,
    ):
        yield pipeline


async def answered(pipeline: Pipeline, number: int, missing: Counter[str] | None = None) -> tuple[float, str]:
    """Seconds, and how it ended: `completed`, an error's code, or `hang`. The legs that it had to do without are
    counted in `missing`."""
    question = Question(f"a{number}", f"c{number}", "u", QUESTIONS[number % len(QUESTIONS)], datetime.now(UTC))
    began, ended, outcome = time.perf_counter(), "without an end", ""
    try:
        async with asyncio.timeout(HANG_S):
            async for chunk in pipeline.run(question):
                if chunk["type"] == "finish":
                    ended = "completed"
                elif chunk["type"] == "error":
                    ended = outcome
                elif chunk["type"] == "data-retrieval" and missing is not None:
                    missing.update(leg["leg"] for leg in chunk["data"]["legs"] if leg["state"] != LegState.OK)
                elif chunk["type"] == "data-timing":
                    outcome = chunk["data"]["outcome"]
    except TimeoutError:
        ended = "hang"
    return time.perf_counter() - began, ended


async def patient() -> dict[str, Any]:
    """One, five and a hundred at once against a model that takes two seconds; and the threads meanwhile."""
    figures: dict[str, Any] = {}
    await start_threads()  # as a server does
    async with (
        ingested() as settings,
        serving(FaultyModel(answer_s=2.0)) as server,
        pipeline_on(settings, server, Counts()) as pipeline,
    ):
        await answered(pipeline, 0)
        for at_once in (1, 5, 100):
            done, threads = asyncio.Event(), [threading.active_count()]
            watching = asyncio.create_task(_watch_threads(threads, done))
            results = await asyncio.gather(*(answered(pipeline, number) for number in range(at_once)))
            done.set()
            await watching
            figures[f"at_once_{at_once}_longest_s"] = round(max(seconds for seconds, _ in results), 2)
            figures[f"at_once_{at_once}_completed"] = sum(ended == "completed" for _, ended in results)
            figures[f"at_once_{at_once}_hangs"] = sum(ended == "hang" for _, ended in results)
            figures[f"at_once_{at_once}_threads"] = max(threads)
    return figures


async def _watch_threads(seen: list[int], done: asyncio.Event) -> None:
    while not done.is_set():
        seen.append(threading.active_count())
        await asyncio.sleep(0.01)


async def faulty(questions: int, at_once: int = 20) -> dict[str, Any]:
    """Every question has an end, when one call in twenty of the model fails in one of the ways that models fail."""
    counts = Counts()
    async with (
        ingested() as settings,
        serving(FaultyModel(fault_share=FAULTS)) as server,
        pipeline_on(settings, server, counts) as pipeline,
    ):
        return await _all_asked(pipeline, questions, at_once) | _told(counts, {"model": server.faults})


async def all_faulty(questions: int, at_once: int = 20) -> dict[str, Any]:
    """The same with vectors on Pinecone and the graph in Neo4j, each of which fails as often, too."""
    from benchmarks.faulty_upstreams import upstreams  # extras, and slow ones

    counts = Counts()
    async with (
        upstreams(FAULTS) as others,
        serving(FaultyModel(fault_share=FAULTS)) as server,
        pipeline_on(others.settings, server, counts) as pipeline,
    ):
        for number in range(WARM_UP):  # a server that has just started plans its statements, and is late
            await answered(pipeline, number)
        others.vectors.on = others.graph.on = True
        figures = await _all_asked(pipeline, questions, at_once)
        others.vectors.on = others.graph.on = False
        faults = {"model": server.faults, "vectors": dict(others.vectors.drawn), "graph": dict(others.graph.drawn)}
        shares = {
            "vectors": round(sum(others.vectors.drawn.values()) / max(1, others.vectors.calls), 4),
            "graph": round(sum(others.graph.drawn.values()) / max(1, others.graph.calls), 4),
        }
        figures = figures | _told(counts, faults) | {"fault_shares": shares}
    return {f"all_{name}": value for name, value in figures.items()}


async def _all_asked(pipeline: Pipeline, questions: int, at_once: int) -> dict[str, Any]:
    seconds: list[float] = []
    ends, missing = Counter[str](), Counter[str]()
    numbers = iter(range(questions))

    async def ask() -> None:
        for number in numbers:
            took, ended = await answered(pipeline, number, missing)
            seconds.append(took)
            ends[ended] += 1

    await asyncio.gather(*(ask() for _ in range(at_once)))
    seconds.sort()
    return {
        "questions": questions,
        "hangs": ends["hang"],
        "ends": dict(ends),
        "legs_missing": dict(missing),
        "p50_s": round(statistics.median(seconds), 2),
        "p99_s": round(seconds[int(0.99 * (len(seconds) - 1))], 2),
        "longest_s": round(seconds[-1], 2),
    }


def _told(counts: Counts, faults: dict[str, dict[str, int]]) -> dict[str, Any]:
    return {
        "faults": {upstream: sum(of_one.values()) for upstream, of_one in faults.items()},
        "kinds": faults,
        "attempts": {f"{upstream} {outcome}": n for (upstream, outcome), n in sorted(counts.attempts.items())},
        "retries": dict(counts.retries),
        "breaker_changes": {f"{upstream} {state}": n for (upstream, state), n in sorted(counts.changes.items())},
    }
