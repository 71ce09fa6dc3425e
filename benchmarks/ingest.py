"""What ingestion costs, how it uses slow upstreams, what a kill repeats, and what many jobs at once hold.

    python -m benchmarks.ingest [CORPUS] [--only PART] [--json FILE]

`scale` ingests a corpus (a directory of any kind that `chatserver ingest` takes) with the default embedder, links and
full text included, in a process pinned to one core; beside it, on the same core, another process searches as a server
does, in turn while a worker ingests and while it stands still. `upstreams` runs 50 passages against upstreams that
wait. `kills` is the tests' own scenario (`tests/ingest/killed.py`). `many` is 100 jobs at once. Times drift with the
machine's load: CPU seconds are told beside the clock's.
"""

import argparse
import asyncio
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import structlog
from rich.console import Console
from rich.table import Table

from chatserver.edge.heap import collect_rarely
from chatserver.ingest.jobs import Submission
from chatserver.settings import Ingest, Settings, Storage
from chatserver.supervisor.worker import NICENESS
from chatserver.wiring import open_knowledge, open_system, open_worker
from retrieval.types import Query
from tests.contracts.redis_server import RedisServer
from tests.ingest.killed import BATCH, killed_job
from tests.ingest.worker import ScriptedEmbedder, ScriptedExtractor, worker

SEARCHES = 150
ALONE = 60
AT_A_TIME = 10
"""Searches: about a second and a half, in which a worker that stands still keeps its lease."""
METADATA_S, EMBEDDING_S = 30.0, 5.0


def in_process_of_its_own(part: str, corpus: Path) -> dict[str, Any]:
    """What is measured is all that the process does."""
    command = [sys.executable, "-m", "benchmarks.ingest", str(corpus), "--child", part]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


async def measured_scale(corpus: Path) -> dict[str, Any]:
    """Speed and memory of one ingest, pinned to one core, in a process like that of `chatserver ingest`."""
    collect_rarely()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as directory:
        async with open_knowledge(Settings(storage=Storage(data_dir=Path(directory)))) as knowledge:
            await knowledge.embedder.embed(["The embedder's files are read before the clock starts."])
            before, cpu, clock = _peak_mb(), time.process_time(), time.perf_counter()
            report = await knowledge.ingestion.ingest_paths([corpus])
            cpu, clock = time.process_time() - cpu, time.perf_counter() - clock
    return {
        "passages": report.passages,
        "documents": report.documents,
        "wall_s": round(clock, 1),
        "cpu_s": round(cpu, 1),
        "passages_per_s": round(report.passages / clock),
        "passages_per_cpu_s": round(report.passages / cpu),
        "memory_growth_mb": round(_peak_mb() - before),
    }


async def searching(corpus: Path) -> dict[str, Any]:
    """Searches over half of the corpus while a worker of the usual niceness ingests the rest, all on one core; in turn
    with them the same searches while it stands still, so that whatever else the machine does meets both. `alone`:
    before it has begun."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings(storage=Storage(data_dir=Path(directory) / "data"))
        halves = _halves(corpus, Path(directory))
        async with open_knowledge(settings) as knowledge:
            await knowledge.ingestion.ingest_paths([halves[0]])
            questions = _questions(halves[0])
            await _latencies(knowledge.hybrid.search, questions[:AT_A_TIME])  # what is read once is read
            alone = await _latencies(knowledge.hybrid.search, questions[:ALONE])
            child = await asyncio.create_subprocess_exec(
                "nice",
                f"-n{NICENESS}",
                sys.executable,
                "-c",
                "from chatserver.cli import main; main()",
                "ingest",
                str(halves[1]),
                "--data-dir",
                str(settings.storage.data_dir),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            known = (await knowledge.documents.count())["documents"]
            while (await knowledge.documents.count())["documents"] == known:  # noqa: ASYNC110 - another process's work
                await asyncio.sleep(0.05)
            idle: list[float] = []
            busy: list[float] = []
            for at in range(0, SEARCHES, AT_A_TIME):
                some = questions[at : at + AT_A_TIME]
                taken = await _latencies(knowledge.hybrid.search, some)
                if not _stopped(child):
                    break  # it has ended: some of these met no ingest
                busy += taken
                idle += await _latencies(knowledge.hybrid.search, some)
                child.send_signal(signal.SIGCONT)
            if _stopped(child):
                child.kill()
            await child.wait()
    return {
        "search_alone_p95_ms": _p95(alone),
        "search_idle_p95_ms": _p95(idle),
        "search_busy_p95_ms": _p95(busy),
        "search_ratio": round(_p95(busy) / _p95(idle), 2),
        "search_ratio_to_alone": round(_p95(busy) / _p95(alone), 2),
        "searches_while_ingesting": len(busy),
    }


def _stopped(child: asyncio.subprocess.Process) -> bool:
    """Whether it was still there to be."""
    try:
        child.send_signal(signal.SIGSTOP)
    except ProcessLookupError:
        return False
    return child.returncode is None


async def _latencies(search: Callable[[Query], Awaitable[object]], questions: list[str]) -> list[float]:
    taken = []
    for question in questions:
        began = time.perf_counter()
        await search(Query(question))
        taken.append(1000 * (time.perf_counter() - began))
        await asyncio.sleep(0.1)
    return taken


def _p95(values: list[float]) -> float:
    return round(sorted(values)[int(0.95 * (len(values) - 1))], 1)


def _halves(corpus: Path, directory: Path) -> tuple[Path, Path]:
    lines = [line for file in sorted(corpus.glob("*.jsonl")) for line in file.read_text().splitlines()]
    halves = directory / "one", directory / "two"
    for half, some in zip(halves, (lines[::2], lines[1::2]), strict=True):
        half.mkdir()
        (half / "corpus.jsonl").write_text("\n".join(some))
    return halves


def _questions(corpus: Path) -> list[str]:
    rows = [json.loads(line) for line in (corpus / "corpus.jsonl").read_text().splitlines()]
    chosen = random.Random(8).sample(rows, SEARCHES)
    return [f"Who or what is {row['title']}, and what followed from {chosen[0]['title']}?" for row in chosen]


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


async def upstreams() -> dict[str, Any]:
    """50 passages: 30 s for their metadata, 5 s for their vectors."""
    with tempfile.TemporaryDirectory() as directory:
        embedder = ScriptedEmbedder(takes_s=EMBEDDING_S)
        extractor = ScriptedExtractor(takes_s=METADATA_S * 20 / 60)  # 50 calls, 20 at once: three rounds
        async with worker(Path(directory), embedder=embedder, extractor=extractor) as running:
            began = time.perf_counter()
            async with running.open_runner("one"):
                await running.ended(await running.submit(50), within_s=120)
            taken = time.perf_counter() - began
    return {"upstreams_wall_s": round(taken, 2), "upstreams_over_longest": round(taken / METADATA_S, 3)}


async def kills() -> dict[str, Any]:
    """500 documents, 20 kills at seeded points: on SQLite, and with two workers on Redis."""
    points = sorted(random.Random(8).sample(range(1, 48), 20))
    figures: dict[str, Any] = {}
    for name in ("sqlite", "redis"):
        with tempfile.TemporaryDirectory() as directory:
            server = RedisServer(Path(directory)).start() if name == "redis" else None
            toll = await killed_job(
                Path(directory) / "data",
                500,
                points,
                workers=2 if server else 1,
                redis_url=server.url if server else None,
                within_s=600,
            )
            if server:
                server.kill()
        figures |= {
            f"{name}_kills": toll.kills,
            f"{name}_stored": toll.stored,
            f"{name}_batches_repeated": -(-toll.repeated // BATCH),
        }
    return figures


async def many() -> dict[str, Any]:
    """100 jobs of 20 documents each, submitted at once, five at a time in one worker."""
    process = psutil.Process()
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings(storage=Storage(data_dir=Path(directory)), ingest=Ingest(workers=5))
        async with open_system(settings) as system:
            before = process.memory_info().rss
            ids = []
            for number in range(100):
                job = system.jobs.new_id()
                rows = ({"id": f"{number}.{n}", "text": f"Pump {n} of unit {number}."} for n in range(20))
                size = await system.jobs.spool.keep_rows(job, rows)
                await system.jobs.submit(Submission("ada", {"spool": job}, "pumps", size), job)
                ids.append(job)
            most_mb, most_files = 0.0, 0
            began = time.perf_counter()
            async with open_worker(settings):
                states: set[str] = {"queued"}
                while states & {"queued", "running"}:
                    most_mb = max(most_mb, (process.memory_info().rss - before) / 1e6)
                    most_files = max(most_files, process.num_fds())
                    await asyncio.sleep(0.2)
                    states = {meta.state for job in ids if (meta := await system.answers.meta(job))}
            taken = time.perf_counter() - began
            stored = (await system.knowledge.documents.count())["documents"]
    return {
        "many_states": sorted(states),
        "many_stored": stored,
        "many_s": round(taken, 1),
        "many_memory_mb": round(most_mb),
        "many_open_files": most_files,
    }


PARTS = ("scale", "search", "upstreams", "kills", "many")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, nargs="?", help="for `scale` and `search`")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part (may be given again)")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", choices=("scale", "search"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    if arguments.child:
        measure = {"scale": measured_scale, "search": searching}[arguments.child]
        print(json.dumps(asyncio.run(measure(arguments.corpus))))
        return
    figures: dict[str, Any] = {"load": round(os.getloadavg()[0], 1), "cpus": os.cpu_count()}
    for part in arguments.only or PARTS:
        figures |= _figures(part, arguments.corpus)
    table = Table("figure", "value", title="Ingestion")
    for name, value in figures.items():
        table.add_row(name, str(value))
    Console().print(table)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(figures, indent=1))


def _figures(part: str, corpus: Path | None) -> dict[str, Any]:
    if part in {"scale", "search"}:
        return in_process_of_its_own(part, corpus) if corpus else {}
    parts: dict[str, Callable[[], Any]] = {"upstreams": upstreams, "kills": kills, "many": many}
    figures: dict[str, Any] = asyncio.run(parts[part]())
    return figures


if __name__ == "__main__":
    main()
