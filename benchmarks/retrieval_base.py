"""A corpus in stores, and what a search over them is made of: the same parts as the server's, chosen by name."""

import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console
from rich.progress import Progress

from benchmarks.retrieval_stores import STORES
from chatserver.ingest.ingestion import Ingestion
from chatserver.ingest.library import SteppedLibrary
from chatserver.ingest.report import STAGES
from graph.leg import GraphLeg, GraphLinks
from retrieval.embedders.minilm import MiniLmEmbedder
from retrieval.embedders.wordllama import WordLlamaEmbedder
from retrieval.fusion import GRAPH, KEYWORD, VECTOR
from retrieval.hybrid import Hybrid
from retrieval.legs import count_words, keyword_leg, vector_leg
from retrieval.ports import CountWords, DocumentStore, Leg, Links
from retrieval.ranker import Ranker, trained
from retrieval.scale import CosineScale, scale_of

EMBEDDERS: dict[str, type[WordLlamaEmbedder] | type[MiniLmEmbedder]] = {
    "wordllama": WordLlamaEmbedder,
    "minilm": MiniLmEmbedder,
}


@dataclass(frozen=True, slots=True)
class Parts:
    """What a `Hybrid` is made of; `legs` are those that need no graph, `ranker` is the one that a server has."""

    documents: DocumentStore
    legs: Mapping[str, Leg]
    graph: Leg
    links: Links
    count_words: CountWords
    scale: CosineScale
    ranker: Ranker

    def hybrid(self, *, graph: bool = True, ranker: Ranker | None = None) -> Hybrid:
        return Hybrid(
            self.documents,
            {**self.legs, GRAPH: self.graph} if graph else self.legs,
            links=self.links if graph else None,
            ranker=ranker,
            count_words=self.count_words,
            scale=self.scale,
        )


@dataclass(frozen=True, slots=True)
class Base:
    """An ingested corpus. `started_with` is the memory of the process before, in bytes."""

    parts: Parts
    passages: int
    ingest_s: float
    data_dir: Path
    started_with: int

    def size(self) -> dict[str, float]:
        grown = psutil.Process().memory_info().rss - self.started_with
        stored = sum(file.stat().st_size for file in self.data_dir.iterdir() if file.is_file())
        return {
            "passages": self.passages,
            "ingest_s": round(self.ingest_s, 2),
            "memory_mb": round(grown / 1e6, 1),
            "disk_mb": round(stored / 1e6, 1),
        }


@asynccontextmanager
async def ingested(corpus: Path, embedder: str, console: Console, store: str = "embedded") -> AsyncIterator[Base]:
    before = psutil.Process().memory_info().rss
    with tempfile.TemporaryDirectory() as directory:
        model = EMBEDDERS[embedder]()
        try:
            async with STORES[store](Path(directory), model.dimension) as stores:
                ingestion = Ingestion(
                    stores.documents,
                    SteppedLibrary(stores.documents, stores.vectors, stores.graph),
                    model,
                    stores.graph,
                    stores.records,
                )
                started = time.perf_counter()
                await ingest(ingestion, corpus, console)
                seconds = time.perf_counter() - started
                legs = {VECTOR: vector_leg(model, stores.vectors), KEYWORD: keyword_leg(stores.keywords)}
                counting, links = count_words(stores.keywords), GraphLinks(stores.graph)
                parts = Parts(
                    stores.documents,
                    legs,
                    GraphLeg(stores.graph),
                    links,
                    counting,
                    scale_of(model.name),
                    trained(model.name),
                )
                passages = (await stores.documents.count())["passages"]
                yield Base(parts, passages, seconds, Path(directory), before)
        finally:
            await model.aclose()


async def ingest(ingestion: Ingestion, corpus: Path, console: Console) -> None:
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks = {stage: bar.add_task(stage) for stage in STAGES}
        report = await ingestion.ingest_paths(
            [corpus], progress=lambda stage, done, total: bar.update(tasks[stage], completed=done, total=total)
        )
    if report.errors:
        raise SystemExit(f"{corpus}: {len(report.errors)} errors, the first: {report.errors[0]}")
