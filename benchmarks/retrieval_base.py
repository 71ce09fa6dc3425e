"""A corpus in stores, and what a search over them is made of: the same parts as the server's, chosen by name."""

import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import psutil
from rich.console import Console
from rich.progress import Progress

from chatserver.ingest.ingestion import Ingestion
from graph.embedded.records import SqliteRecordStore
from graph.embedded.store import SqliteGraphStore
from graph.leg import GraphLeg, GraphLinks
from graph.ports import GraphStore, RecordStore
from retrieval.embedded.database import Database
from retrieval.embedded.documents import SqliteDocumentStore
from retrieval.embedded.keywords import SqliteKeywordIndex
from retrieval.embedded.vectors import SqliteVectorStore
from retrieval.embedders.minilm import MiniLmEmbedder
from retrieval.embedders.wordllama import WordLlamaEmbedder
from retrieval.fusion import GRAPH, KEYWORD, VECTOR
from retrieval.hybrid import Hybrid
from retrieval.legs import count_words, keyword_leg, vector_leg
from retrieval.ports import CountWords, DocumentStore, KeywordIndex, Leg, Links, VectorStore
from retrieval.ranker import Ranker
from retrieval.scale import CosineScale, scale_of


@dataclass(frozen=True, slots=True)
class Stores:
    documents: DocumentStore
    vectors: VectorStore
    graph: GraphStore
    records: RecordStore
    keywords: KeywordIndex


OpenStores: TypeAlias = Callable[[Path], AbstractAsyncContextManager[Stores]]
"""Empty stores; files of theirs go into the directory, which is deleted afterwards."""


@asynccontextmanager
async def embedded(data_dir: Path) -> AsyncIterator[Stores]:
    database = await Database.open(data_dir / "knowledge.db")
    try:
        yield Stores(
            await SqliteDocumentStore.open(database),
            await SqliteVectorStore.open(database),
            await SqliteGraphStore.open(database),
            await SqliteRecordStore.open(database),
            await SqliteKeywordIndex.open(database),
        )
    finally:
        await database.aclose()


EMBEDDERS: dict[str, type[WordLlamaEmbedder] | type[MiniLmEmbedder]] = {
    "wordllama": WordLlamaEmbedder,
    "minilm": MiniLmEmbedder,
}
STORES: dict[str, OpenStores] = {"embedded": embedded}


@dataclass(frozen=True, slots=True)
class Parts:
    """What a `Hybrid` is made of; `legs` are those that need no graph."""

    documents: DocumentStore
    legs: Mapping[str, Leg]
    graph: Leg
    links: Links
    count_words: CountWords
    scale: CosineScale

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
        stored = sum(file.stat().st_size for file in self.data_dir.iterdir())
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
            async with STORES[store](Path(directory)) as stores:
                ingestion = Ingestion(stores.documents, stores.vectors, model, stores.graph, stores.records)
                started = time.perf_counter()
                await ingest(ingestion, corpus, console)
                seconds = time.perf_counter() - started
                legs = {VECTOR: vector_leg(model, stores.vectors), KEYWORD: keyword_leg(stores.keywords)}
                counting, links = count_words(stores.keywords), GraphLinks(stores.graph)
                parts = Parts(stores.documents, legs, GraphLeg(stores.graph), links, counting, scale_of(model.name))
                passages = (await stores.documents.count())["passages"]
                yield Base(parts, passages, seconds, Path(directory), before)
        finally:
            await model.aclose()


async def ingest(ingestion: Ingestion, corpus: Path, console: Console) -> None:
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks = {stage: bar.add_task(stage) for stage in ("load", "embed", "store", "link")}
        report = await ingestion.ingest_paths(
            [corpus], progress=lambda stage, done, total: bar.update(tasks[stage], completed=done, total=total)
        )
    if report.errors:
        raise SystemExit(f"{corpus}: {len(report.errors)} errors, the first: {report.errors[0]}")
