"""Copies what is known from one set of stores to another: vectors, graph and records.

Theory of operation
    Documents, passages and full text stay in the data directory whatever the stores are, so they lead: document by
    document, in the order of their ids, the vectors are fetched from the one store and put into the other, and the
    links are made again from the passages, by the same rules as at ingest. Records go first, page by page: their names
    are linked to. All writes replace by id, so doing any of it twice is no harm; a checkpoint tells where to go on.
    Nothing is deleted on either side.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from chatserver.ingest.checkpoint import Checkpoint
from chatserver.ingest.linker import Linker
from chatserver.ingest.report import Progress
from graph.fields import TEXT
from graph.ports import GraphIndex, RecordStore
from graph.types import Collection, Record
from retrieval.chunking import embedded_text
from retrieval.ports import Embedder, VectorStore
from retrieval.types import Document, Passage

_DOCUMENTS: Final = 64  # copied between two checkpoints
_RECORDS: Final = 500  # in one page


class Corpus(Protocol):
    """The documents, which stay where they are."""

    async def page(self, after: str, *, limit: int, namespace: str = "") -> list[tuple[Document, list[Passage]]]:
        """Up to `limit` documents, without their text, with ids behind `after`, in the order of ids."""


@dataclass(frozen=True, slots=True)
class Side:
    """The stores of one side."""

    vectors: VectorStore
    graph: GraphIndex
    records: RecordStore


@dataclass(slots=True)
class MigrationReport:
    """What was copied; `remade` vectors were missing and have been computed again."""

    documents: int = 0
    passages: int = 0
    remade: int = 0
    records: int = 0


class Migration:
    """`vectors` and `graph` say what is copied; the graph brings the records. Raises the stores' `RetrievalError`;
    running it again then goes on behind the last checkpoint."""

    def __init__(
        self,
        corpus: Corpus,
        source: Side,
        target: Side,
        embedder: Embedder,
        checkpoint: Checkpoint,
        *,
        vectors: bool,
        graph: bool,
    ) -> None:
        self._corpus = corpus
        self._source = source
        self._target = target
        self._embedder = embedder
        self._checkpoint = checkpoint
        self._vectors = vectors
        self._graph = graph

    async def run(self, namespaces: Sequence[str], total: int, progress: Progress) -> MigrationReport:
        """`total`: documents in all namespaces. `progress` is told `load` in records of a collection, `store` in
        documents and `link` in names."""
        report = MigrationReport()
        await self._checkpoint.open()
        for namespace in namespaces:
            linker = Linker(self._target.graph, namespace)
            if self._graph:
                await linker.open()
                await self._copy_records(namespace, linker, report, progress)
            after = self._checkpoint.of(namespace)
            while page := await self._corpus.page(after, limit=_DOCUMENTS, namespace=namespace):
                await self._copy(page, namespace, linker, report)
                after = page[-1][0].id
                await self._checkpoint.save(namespace, after)
                progress("store", report.documents, total)
            if self._graph:
                await linker.settle(lambda done, names: progress("link", done, names))
        await self._checkpoint.clear()
        return report

    async def _copy(
        self, page: Sequence[tuple[Document, list[Passage]]], namespace: str, linker: Linker, report: MigrationReport
    ) -> None:
        if self._vectors:
            await self._copy_vectors([passage for _, passages in page for passage in passages], namespace, report)
        if self._graph:
            await linker.link(page)
        report.documents += len(page)
        report.passages += sum(len(passages) for _, passages in page)

    async def _copy_vectors(self, passages: Sequence[Passage], namespace: str, report: MigrationReport) -> None:
        found = await self._source.vectors.fetch([passage.id for passage in passages], namespace=namespace)
        missing = [passage for passage in passages if passage.id not in found]
        made = await self._embedder.embed([embedded_text(passage) for passage in missing])
        vectors = {**found, **{p.id: vector for p, vector in zip(missing, made, strict=True)}}
        report.remade += len(missing)
        items = [(passage.id, vectors[passage.id], passage.metadata) for passage in passages]
        await self._target.vectors.upsert(items, namespace=namespace)

    async def _copy_records(self, namespace: str, linker: Linker, report: MigrationReport, progress: Progress) -> None:
        for collection in (await self._source.records.collections(namespace=namespace)).values():
            place = "\0".join(("records", namespace, collection.name))
            after, done = self._checkpoint.of(place), 0
            while records := await self._page(collection, after, namespace):
                await linker.link_records(records)
                await self._target.records.put(records, namespace=namespace)
                after = records[-1].id
                await self._checkpoint.save(place, after)
                done += len(records)
                report.records += len(records)
                progress("load", done, max(done, collection.count))

    async def _page(self, collection: Collection, after: str, namespace: str) -> list[Record]:
        page = await self._source.records.page(collection.name, after, limit=_RECORDS, namespace=namespace)
        return [replace(record, types=_declared(record, collection)) for record in page]


def _declared(record: Record, collection: Collection) -> dict[str, str]:
    """What its values would not tell: a text that looks like a time. Other declared types their values have."""
    texts = {name for name, value in record.fields.items() if value is not None and collection.fields[name] == TEXT}
    return dict.fromkeys(texts, TEXT)
