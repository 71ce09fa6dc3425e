"""Ingestion: load, chunk, embed, store, link; a few batches at a time.

Theory of operation
    Items come as a stream and are gathered into batches; at most `concurrency` batches are under way, so memory does
    not grow with the corpus. A batch writes its vectors first, then its links, then its passages together with the
    content hash: a document whose hash is stored is complete, and one that a crash cut off is done again.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from chatserver.ingest.batch import Batch, content_hash, fault_of
from chatserver.ingest.files import Lines, Source, find
from chatserver.ingest.linker import Linker
from chatserver.ingest.loaders import Item, Loaded, load
from chatserver.ingest.report import IngestReport, Problem, Progress, no_progress
from chatserver.ingest.sections import passages_of
from graph.ports import GraphIndex, RecordStore
from graph.types import Record
from retrieval.chunking import embedded_text
from retrieval.ports import DocumentStore, Embedder, VectorStore
from retrieval.types import Document, Passage

_SLICE: Final = 256  # passages embedded and upserted in one call
_READ: Final = 64  # items read in one go off the loop


@dataclass(frozen=True, slots=True)
class Ingestion:
    """Brings documents and records into the stores.

    Idempotent by content hash: a document that is there unchanged is left alone, a changed one replaces its old
    passages, vectors and links. What is wrong with one item is an entry of the report, and the others go on; a store
    or embedder that fails ends the ingest with its `RetrievalError`, and doing it again takes up where it ended."""

    documents: DocumentStore
    vectors: VectorStore
    embedder: Embedder
    graph: GraphIndex
    records: RecordStore
    concurrency: int = 2
    hashed_space: str = ""
    """The vectors' space, where a document counts as changed when only that has."""

    async def ingest_paths(
        self, paths: Sequence[Path], namespace: str = "", *, progress: Progress = no_progress
    ) -> IngestReport:
        """Files and directories, these in sorted order. A document of Markdown or text is called by its path below
        the directory that was given."""
        found = await asyncio.to_thread(find, paths)
        run = _Run(self, namespace, progress)
        run.report.skipped += found.skipped
        run.report.errors += found.problems
        await run.drain(_items(found.sources, progress))
        return run.report

    async def ingest_documents(
        self, documents: Iterable[Document], namespace: str = "", *, progress: Progress = no_progress
    ) -> IngestReport:
        return await self._ingest(documents, namespace, progress)

    async def ingest_records(
        self, records: Iterable[Record], namespace: str = "", *, progress: Progress = no_progress
    ) -> IngestReport:
        return await self._ingest(records, namespace, progress)

    async def _ingest(self, values: Iterable[Document | Record], namespace: str, progress: Progress) -> IngestReport:
        run = _Run(self, namespace, progress)
        await run.drain(_given(values))
        return run.report


async def _given(values: Iterable[Document | Record]) -> AsyncIterator[Item]:
    for value in values:
        yield Loaded(value, "")


async def _items(sources: Sequence[Source], progress: Progress) -> AsyncIterator[Item]:
    """The items of all files, read off the loop a few at a time."""
    total = sum(source.size for source in sources)
    before = 0
    for source in sources:
        lines = Lines(source.path)
        items = _readable(source, lines)
        while some := await asyncio.to_thread(_take, items):
            progress("load", before + lines.consumed, total)
            for item in some:
                yield item
        before += source.size
        progress("load", before, total)


def _take(items: Iterator[Item]) -> list[Item]:
    return list(islice(items, _READ))


def _readable(source: Source, lines: Lines) -> Iterator[Item]:
    try:
        yield from load(source.name, lines)
    except OSError:
        yield Problem("unreadable_file", "the file can't be read", source.name)


def _first(failures: ExceptionGroup[Exception]) -> Exception:
    """The first failure ended the others: it is the one to tell."""
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, ExceptionGroup) else first


class _Run:
    """One ingest under way."""

    def __init__(self, ingestion: Ingestion, namespace: str, progress: Progress) -> None:
        self.report = IngestReport()
        self._to = ingestion
        self._namespace = namespace
        self._progress = progress
        self._linker = Linker(ingestion.graph, namespace)
        self._seen: set[str] = set()
        self._slots = asyncio.Semaphore(ingestion.concurrency)
        self._chunked = self._embedded = self._stored = 0

    async def drain(self, items: AsyncIterator[Item]) -> None:
        await self._linker.open()
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._feed(items, tasks)
        except ExceptionGroup as failures:
            raise _first(failures) from None
        await self._linker.settle(lambda done, total: self._progress("link", done, total))
        if not (self._seen or self.report.records or self.report.errors):
            self.report.errors.append(Problem("empty_corpus", "there is nothing to ingest"))

    async def _feed(self, items: AsyncIterator[Item], tasks: asyncio.TaskGroup) -> None:
        batch = Batch()
        async for item in items:
            value = self._value_of(item)
            if value is not None:
                batch.add(value)
            if batch.full:
                await self._start(batch, tasks)
                batch = Batch()
        await self._start(batch, tasks)

    async def _start(self, batch: Batch, tasks: asyncio.TaskGroup) -> None:
        await self._slots.acquire()
        tasks.create_task(self._store(batch))

    def _value_of(self, item: Item) -> Document | Record | None:
        """The item's value; None when there is something wrong with it, which is reported."""
        if isinstance(item, Problem):
            self.report.errors.append(item)
            return None
        fault = fault_of(item.value) or self._repeated(item.value)
        if fault:
            self.report.errors.append(Problem(*fault, item.file, item.line))
            return None
        return item.value

    def _repeated(self, value: Document | Record) -> tuple[str, str] | None:
        if isinstance(value, Record):
            return None
        if value.id in self._seen:
            return "duplicate_id", f"a second document with the id {value.id!r}"
        self._seen.add(value.id)
        return None

    async def _store(self, batch: Batch) -> None:
        try:
            await self._store_records(batch.records)
            await self._store_documents(batch.documents)
        finally:
            self._slots.release()

    async def _store_records(self, records: Sequence[Record]) -> None:
        if records:
            await self._linker.link_records(records)
            await self._to.records.put(records, namespace=self._namespace)
            self.report.records += len(records)

    async def _store_documents(self, documents: Sequence[Document]) -> None:
        changed = [pair for document in documents if (pair := await self._changed(document))]
        chunked = await asyncio.to_thread(
            lambda: [(document, passages_of(document), hash) for document, hash in changed]
        )
        passages = [passage for _, of_document, _ in chunked for passage in of_document]
        self._chunked += len(passages)
        for start in range(0, len(passages), _SLICE):
            await self._embed(passages[start : start + _SLICE])
        await self._linker.link([(document, of_document) for document, of_document, _ in chunked])
        async with asyncio.TaskGroup() as tasks:
            for document, of_document, hash in chunked:
                tasks.create_task(self._put(document, of_document, hash))

    async def _changed(self, document: Document) -> tuple[Document, str] | None:
        """The document and its hash; None when it is there already. What an older version has left goes."""
        hash = content_hash(document, self._to.hashed_space)
        stored = await self._to.documents.content_hash(document.id, namespace=self._namespace)
        if stored == hash:
            self.report.unchanged += 1
            return None
        if stored is not None:
            gone = await self._to.documents.delete(document.id, namespace=self._namespace)
            await self._to.vectors.delete(gone, namespace=self._namespace)
        return document, hash

    async def _embed(self, passages: Sequence[Passage]) -> None:
        vectors = await self._to.embedder.embed([embedded_text(passage) for passage in passages])
        items = [(p.id, vector, p.metadata) for p, vector in zip(passages, vectors, strict=True)]
        await self._to.vectors.upsert(items, namespace=self._namespace)
        self._embedded += len(passages)
        self._progress("embed", self._embedded, self._chunked)

    async def _put(self, document: Document, passages: Sequence[Passage], hash: str) -> None:
        await self._to.documents.put(document, passages, hash, namespace=self._namespace)
        self.report.documents += 1
        self.report.passages += len(passages)
        self._stored += len(passages)
        self._progress("store", self._stored, self._chunked)
