"""What retrieval finds: recall of the gold passages by method, over corpora of multi-hop questions.

    python -m benchmarks.retrieval DIR… [--merged] [--grow N…] [--embedder NAME] [--store NAME] --json OUT [--png OUT]

A DIR holds `corpus.jsonl` ({id, title, text}) and `questions.jsonl` ({id, question, gold: [ids]}); `NAME_single`
without a corpus asks that of `NAME_train` beside it. The corpus goes through the real ingest into the real stores of
a temporary data directory; with `--merged` all corpora go into one. Recall@k is the share of a question's gold passages
among the first k, averaged; `bm25`, `dense`, `rrf` and what has "no graph" follow no links and know no names, `expand`
is the untrained order, `ranker` what the server does. Latency has the embedding of the question in it.

The shipped weights are trained on the development sets. On a set that they name, every figure of a ranker is
cross-validated: each question is ranked by weights of the four fifths of these sets' questions that it shares no
passage with. On any other set the shipped weights rank.

`--store pinecone+neo4j` says what the same questions find there; `retrieval_stores` tells what is real of it.

`--grow` measures the base of all corpora at these numbers of documents, most of them synthetic copies
(`retrieval_corpora.grown`), each in a process of its own.
"""

import argparse
import asyncio
import json
import math
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.retrieval_base import EMBEDDERS, Base, Parts, ingested
from benchmarks.retrieval_corpora import Corpus, Question, corpora, grown, merged
from benchmarks.retrieval_stores import STORES
from benchmarks.train_ranker import CUTS, DEPTH, fold_rankers, recorded
from retrieval.fusion import KEYWORD, VECTOR, ranked, reciprocal_ranks
from retrieval.hybrid import Hybrid
from retrieval.ranker import Ranker, shipped
from retrieval.types import Hit, Query

WARM_UP = 5
GROWTH_QUESTIONS = 200

Method: TypeAlias = Callable[[Query], Awaitable[Sequence[str]]]
"""A question to the ids of passages, best first."""
Rankers: TypeAlias = Mapping[tuple[str, str], Ranker]
"""(set, question) -> what ranks it; the shipped ranker for those that are not in it."""


def methods(parts: Parts, name: str, rankers: Rankers) -> dict[str, Method]:
    legs = parts.legs

    async def bm25(query: Query) -> Sequence[str]:
        return [hit.passage for hit in await legs[KEYWORD](query)]

    async def dense(query: Query) -> Sequence[str]:
        return [hit.passage for hit in await legs[VECTOR](query)]

    async def rrf(query: Query) -> Sequence[str]:
        found: list[Sequence[Hit]] = await asyncio.gather(*(leg(query) for leg in legs.values()))
        return ranked(reciprocal_ranks(dict(zip(legs, found, strict=True))))

    return {
        "bm25": bm25,
        "dense": dense,
        "rrf": rrf,
        "base, no graph": searched(parts.hybrid(graph=False)),
        "ranker, no graph": by_question(parts, name, rankers, graph=False),
        "expand": searched(parts.hybrid()),
        "ranker": by_question(parts, name, rankers),
    }


def searched(hybrid: Hybrid) -> Method:
    async def search(query: Query) -> Sequence[str]:
        return [ranked.passage.id for ranked in (await hybrid.search(query)).passages]

    return search


def by_question(parts: Parts, name: str, rankers: Rankers, *, graph: bool = True) -> Method:
    """Each question by its own ranker."""
    searches = {one: searched(parts.hybrid(graph=graph, ranker=one)) for one in {parts.ranker, *rankers.values()}}

    async def search(query: Query) -> Sequence[str]:
        return await searches[rankers.get((name, query.text), parts.ranker)](query)

    return search


async def measure(
    base: Base, method: Method, questions: Sequence[Question], label: str, console: Console
) -> dict[str, Any]:
    """Recalls and `all_gold_5` (questions with all gold among the first five) in percent, latency and CPU in ms."""
    for question in questions[:WARM_UP]:
        await method(Query(question.text, top_k=DEPTH))
    recalls: dict[int, list[float]] = {cut: [] for cut in CUTS}
    latencies, cpu = [], []
    for question in track(questions, label, console=console, transient=True, disable=not console.is_terminal):
        started, worked = time.perf_counter(), time.process_time()
        found = await method(Query(question.text, top_k=DEPTH))
        latencies.append((time.perf_counter() - started) * 1_000)
        cpu.append((time.process_time() - worked) * 1_000)
        passages = await base.parts.documents.passages(found[:DEPTH])
        order = list(dict.fromkeys(passage.document for passage in passages))
        for cut in CUTS:
            recalls[cut].append(len(question.gold.intersection(order[:cut])) / len(question.gold))
    return {
        "recall": {str(cut): percent(recalls[cut]) for cut in CUTS},
        "all_gold_5": percent([float(recall == 1) for recall in recalls[5]]),
        "latency_ms": percentiles(latencies),
        "cpu_ms": percentiles(cpu),
    }


def percent(shares: Sequence[float]) -> float:
    return round(100 * statistics.fmean(shares), 1)


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """By nearest rank."""
    ordered = sorted(values)
    return {f"p{p}": round(ordered[math.ceil(p / 100 * len(ordered)) - 1], 2) for p in (50, 95)}


def show(console: Console, name: str, result: Mapping[str, Any]) -> None:
    table = Table(title=f"{name}: {result['passages']} passages, {result['questions']} questions")
    for heading in ("method", *(f"R@{cut}" for cut in CUTS), "all@5", "p50 ms", "p95 ms", "CPU p95"):
        table.add_column(heading, justify="left" if heading == "method" else "right")
    for method, figures in result["methods"].items():
        recalls = (f"{figures['recall'][str(cut)]:.1f}" for cut in CUTS)
        times = (figures["latency_ms"]["p50"], figures["latency_ms"]["p95"], figures["cpu_ms"]["p95"])
        table.add_row(method, *recalls, f"{figures['all_gold_5']:.1f}", *(f"{time:.1f}" for time in times))
    console.print(table)
    first = {method: figures["recall"]["1"] for method, figures in result["methods"].items()}
    if "_single" in name:
        console.print(f"guard: Recall@1 of simple questions {first['ranker'] - first['expand']:+.1f} by the ranker")
    rate = result["passages"] / result["ingest_s"]
    console.print(
        f"weights: {result['weights']}; ingest {result['ingest_s']:.1f} s, {rate:.0f} passages/s; "
        f"{result['memory_mb']} MB of memory, {result['disk_mb']} MB on disk\n"
    )


async def run(
    given: Sequence[Corpus], embedder: str, console: Console, *, store: str = "embedded"
) -> dict[str, dict[str, Any]]:
    """Figures by set; of sets in a merged base as `merged/SET`."""
    results: dict[str, dict[str, Any]] = {}
    async with AsyncExitStack() as stack:
        bases = [
            (corpus, await stack.enter_async_context(ingested(corpus.file, embedder, console, store)))
            for corpus in given
        ]
        sizes = [base.size() for _, base in bases]
        rankers = await validating(bases)
        for (corpus, base), size in zip(bases, sizes, strict=True):
            for name, questions in corpus.sets.items():
                weights = "five folds over the given sets" if (name, questions[0].text) in rankers else "shipped"
                label = f"{corpus.name}/{name}" if corpus.name == "merged" else name
                figures = {
                    method: await measure(base, find, questions, f"{label} {method}", console)
                    for method, find in methods(base.parts, name, rankers).items()
                }
                told = {"embedder": embedder, "store": store, "weights": weights, "questions": len(questions)}
                results[label] = {**told, **size, "methods": figures}
                show(console, label, results[label])
    return results


async def validating(bases: Sequence[tuple[Corpus, Base]]) -> Rankers:
    """For the sets that the shipped weights are trained on: weights that have not seen the question."""
    given = []
    for corpus, base in bases:
        seen = {name: questions for name, questions in corpus.sets.items() if name in shipped()["trained_on"]}
        given += await recorded(base.parts, Corpus(corpus.name, corpus.file, seen))
    return fold_rankers(given)


def growth(corpus: Corpus, size: int, embedder: str, store: str) -> dict[str, Any]:
    """The ranker's figures at one size, over questions of all sets."""

    async def measured(file: Path) -> dict[str, Any]:
        console = Console(quiet=True)
        questions = list(chain.from_iterable(corpus.sets.values()))
        questions = questions[:: max(1, len(questions) // GROWTH_QUESTIONS)]
        async with ingested(grown(corpus, size, file).file, embedder, console, store) as base:
            stored = base.size()
            figures = await measure(base, by_question(base.parts, "", {}), questions, "", console)
            return {**stored, "questions": len(questions), "latency_ms": figures["latency_ms"]} | {
                "cpu_ms": figures["cpu_ms"]
            }

    with tempfile.TemporaryDirectory() as directory:
        return asyncio.run(measured(Path(directory) / "corpus.jsonl"))


def show_growth(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    table = Table(title="growth by synthetic copies: the ranker")
    for heading in ("passages", "p50 ms", "p95 ms", "CPU p95", "ingest s", "memory MB", "disk MB"):
        table.add_column(heading, justify="right")
    for row in rows:
        times = (row["latency_ms"]["p50"], row["latency_ms"]["p95"], row["cpu_ms"]["p95"])
        values = (*times, row["ingest_s"], row["memory_mb"], row["disk_mb"])
        table.add_row(f"{row['passages']:,}", *(f"{value:.1f}" for value in values))
    console.print(table)


def measured(arguments: argparse.Namespace, console: Console, save: Callable[[Mapping[str, Any]], None]) -> None:
    """Saved after each size: the largest one takes a while."""
    given = corpora([directory.resolve() for directory in arguments.directories])
    with tempfile.TemporaryDirectory() as directory:
        joined = merged(given, Path(directory) / "corpus.jsonl") if arguments.merged or arguments.grow else None
        asked = [joined] if arguments.merged and joined else given
        results: dict[str, Any] = {}
        if not arguments.only_growth:
            results |= asyncio.run(run(asked, arguments.embedder, console, store=arguments.store))
            save(results)
        if arguments.grow and joined:
            spawning = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(1, mp_context=spawning, max_tasks_per_child=1) as processes:
                for size in arguments.grow:
                    row = processes.submit(growth, joined, size, arguments.embedder, arguments.store).result()
                    results["growth"] = [*results.get("growth", ()), row]
                    save(results)
            show_growth(console, results["growth"])


def main() -> None:
    parser = argparse.ArgumentParser(description="Recall of retrieval methods over corpora with gold passages.")
    parser.add_argument("directories", nargs="+", type=Path, metavar="DIR")
    parser.add_argument("--merged", action="store_true", help="all corpora in one base")
    parser.add_argument("--grow", nargs="+", type=int, default=[], metavar="N", help="also at these sizes")
    parser.add_argument("--only-growth", action="store_true", help="nothing but --grow")
    parser.add_argument("--embedder", choices=sorted(EMBEDDERS), default="wordllama")
    parser.add_argument("--store", choices=sorted(STORES), default="embedded")
    parser.add_argument("--json", type=Path, required=True, metavar="OUT")
    parser.add_argument("--png", type=Path, metavar="OUT", help="a picture (needs the extra `bench`)")
    arguments = parser.parse_args()
    measured(arguments, Console(), partial(save, arguments.json, arguments.png))


def save(out: Path, picture: Path | None, results: Mapping[str, Any]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(results, indent=2) + "\n")
    if picture:
        from benchmarks.retrieval_plot import draw  # matplotlib is an extra

        draw(results, picture)


if __name__ == "__main__":
    main()
