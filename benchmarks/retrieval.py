"""What retrieval finds: recall of the gold passages by method, over corpora of multi-hop questions.

    python -m benchmarks.retrieval DIR… [--embedder NAME] --json OUT

A DIR holds `corpus.jsonl` ({id, title, text}) and `questions.jsonl` ({id, question, gold: [ids]}); `NAME_single`
without a corpus asks that of `NAME_train` beside it. The corpus goes through the real ingest into the real stores of
a temporary data directory. Recall@k is the share of a question's gold passages among the first k, averaged; `bm25`,
`dense`, `rrf` and what has "no graph" follow no links and know no names, `expand` is the untrained order, `ranker` what
the server does. The shipped weights are trained on the development sets: on these only the figures of
`benchmarks.train_ranker`, which are cross-validated, tell anything about `ranker`.
"""

import argparse
import asyncio
import json
import math
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from rich.console import Console
from rich.progress import Progress, track
from rich.table import Table

from chatserver.ingest.ingestion import Ingestion
from graph.embedded.records import SqliteRecordStore
from graph.embedded.store import SqliteGraphStore
from graph.leg import GraphLeg, GraphLinks
from retrieval.embedded.database import Database
from retrieval.embedded.documents import SqliteDocumentStore
from retrieval.embedded.keywords import SqliteKeywordIndex
from retrieval.embedded.vectors import SqliteVectorStore
from retrieval.embedders.minilm import MiniLmEmbedder
from retrieval.embedders.wordllama import WordLlamaEmbedder
from retrieval.fusion import GRAPH, KEYWORD, VECTOR, ranked, reciprocal_ranks
from retrieval.hybrid import Hybrid
from retrieval.legs import count_words, keyword_leg, vector_leg
from retrieval.ports import CountWords, DocumentStore, Leg, Links
from retrieval.ranker import Ranker, trained
from retrieval.types import Hit, Query

CUTS = (1, 2, 5, 10)
DEPTH = 20  # passages asked for: ten documents, also when some come in several chunks
WARM_UP = 5

EMBEDDERS: dict[str, type[WordLlamaEmbedder] | type[MiniLmEmbedder]] = {
    "wordllama": WordLlamaEmbedder,
    "minilm": MiniLmEmbedder,
}

Method: TypeAlias = Callable[[Query], Awaitable[Sequence[str]]]
"""A question to the ids of passages, best first."""


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    gold: frozenset[str]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a `Hybrid` is made of; `legs` are those that need no graph."""

    documents: DocumentStore
    legs: Mapping[str, Leg]
    graph: Leg
    links: Links
    count_words: CountWords

    def hybrid(self, *, graph: bool = True, ranker: Ranker | None = None) -> Hybrid:
        return Hybrid(
            self.documents,
            {**self.legs, GRAPH: self.graph} if graph else self.legs,
            links=self.links if graph else None,
            ranker=ranker,
            count_words=self.count_words,
        )


@dataclass(frozen=True, slots=True)
class Base:
    """An ingested corpus."""

    parts: Parts
    passages: int
    ingest_s: float


@asynccontextmanager
async def ingested(corpus: Path, embedder_name: str, console: Console) -> AsyncIterator[Base]:
    with tempfile.TemporaryDirectory() as data_dir:
        database = await Database.open(Path(data_dir) / "knowledge.db")
        embedder = EMBEDDERS[embedder_name]()
        try:
            documents = await SqliteDocumentStore.open(database)
            vectors = await SqliteVectorStore.open(database)
            graph = await SqliteGraphStore.open(database)
            records = await SqliteRecordStore.open(database)
            started = time.perf_counter()
            await ingest(Ingestion(documents, vectors, embedder, graph, records), corpus, console)
            seconds = time.perf_counter() - started
            keywords = await SqliteKeywordIndex.open(database)
            legs = {VECTOR: vector_leg(embedder, vectors), KEYWORD: keyword_leg(keywords)}
            passages = (await documents.count())["passages"]
            parts = Parts(documents, legs, GraphLeg(graph), GraphLinks(graph), count_words(keywords))
            yield Base(parts, passages, seconds)
        finally:
            await embedder.aclose()
            await database.aclose()


async def ingest(ingestion: Ingestion, corpus: Path, console: Console) -> None:
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks = {stage: bar.add_task(stage) for stage in ("load", "embed", "store", "link")}
        report = await ingestion.ingest_paths(
            [corpus], progress=lambda stage, done, total: bar.update(tasks[stage], completed=done, total=total)
        )
    if report.errors:
        raise SystemExit(f"{corpus}: {len(report.errors)} errors, the first: {report.errors[0]}")


def methods(parts: Parts) -> dict[str, Method]:
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
        "ranker, no graph": searched(parts.hybrid(graph=False, ranker=trained())),
        "expand": searched(parts.hybrid()),
        "ranker": searched(parts.hybrid(ranker=trained())),
    }


def searched(hybrid: Hybrid) -> Method:
    async def search(query: Query) -> Sequence[str]:
        return [ranked.passage.id for ranked in (await hybrid.search(query)).passages]

    return search


async def measure(
    base: Base, method: Method, questions: Sequence[Question], label: str, console: Console
) -> dict[str, Any]:
    """Recalls and `all_gold_5` (questions with all gold among the first five) in percent, latency in milliseconds."""
    for question in questions[:WARM_UP]:
        await method(Query(question.text, top_k=DEPTH))
    recalls: dict[int, list[float]] = {cut: [] for cut in CUTS}
    latencies = []
    for question in track(questions, label, console=console, transient=True, disable=not console.is_terminal):
        started = time.perf_counter()
        found = await method(Query(question.text, top_k=DEPTH))
        latencies.append((time.perf_counter() - started) * 1_000)
        passages = await base.parts.documents.passages(found[:DEPTH])
        order = list(dict.fromkeys(passage.document for passage in passages))
        for cut in CUTS:
            recalls[cut].append(len(question.gold.intersection(order[:cut])) / len(question.gold))
    return {
        "recall": {str(cut): percent(recalls[cut]) for cut in CUTS},
        "all_gold_5": percent([float(recall == 1) for recall in recalls[5]]),
        "latency_ms": percentiles(latencies),
    }


def percent(shares: Sequence[float]) -> float:
    return round(100 * statistics.fmean(shares), 1)


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """By nearest rank."""
    ordered = sorted(values)
    return {f"p{p}": round(ordered[math.ceil(p / 100 * len(ordered)) - 1], 2) for p in (50, 95)}


def read_questions(directory: Path) -> list[Question]:
    with (directory / "questions.jsonl").open() as lines:
        rows = [json.loads(line) for line in lines]
    return [Question(row["question"], frozenset(row["gold"])) for row in rows]


def corpus_of(directory: Path) -> Path:
    own = directory / "corpus.jsonl"
    return own if own.exists() else directory.with_name(directory.name.replace("_single", "_train")) / own.name


def show(console: Console, name: str, result: Mapping[str, Any]) -> None:
    table = Table(title=f"{name}: {result['passages']} passages, {result['questions']} questions")
    for heading in ("method", *(f"R@{cut}" for cut in CUTS), "all@5", "p50 ms", "p95 ms"):
        table.add_column(heading, justify="left" if heading == "method" else "right")
    for method, figures in result["methods"].items():
        recalls = (f"{figures['recall'][str(cut)]:.1f}" for cut in CUTS)
        latencies = (f"{figures['latency_ms'][p]:.1f}" for p in ("p50", "p95"))
        table.add_row(method, *recalls, f"{figures['all_gold_5']:.1f}", *latencies)
    console.print(table)
    console.print(f"ingest {result['ingest_s']:.1f} s, {result['passages'] / result['ingest_s']:.0f} passages/s\n")


async def run(directories: Sequence[Path], embedder: str, console: Console) -> dict[str, Any]:
    results: dict[str, Any] = {}
    by_corpus: dict[Path, list[Path]] = {}
    for directory in directories:
        by_corpus.setdefault(corpus_of(directory), []).append(directory)
    for corpus, asked in by_corpus.items():
        async with ingested(corpus, embedder, console) as base:
            for directory in asked:
                questions, name = read_questions(directory), directory.name
                figures = {
                    method: await measure(base, find, questions, f"{name} {method}", console)
                    for method, find in methods(base.parts).items()
                }
                size = {"passages": base.passages, "questions": len(questions), "ingest_s": round(base.ingest_s, 2)}
                results[name] = {"embedder": embedder, **size, "methods": figures}
                show(console, name, results[name])
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description="Recall of retrieval methods over corpora with gold passages.")
    parser.add_argument("directories", nargs="+", type=Path, metavar="DIR")
    parser.add_argument("--embedder", choices=sorted(EMBEDDERS), default="wordllama")
    parser.add_argument("--json", type=Path, required=True, metavar="OUT")
    arguments = parser.parse_args()
    directories = [directory.resolve() for directory in arguments.directories]
    results = asyncio.run(run(directories, arguments.embedder, Console()))
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
