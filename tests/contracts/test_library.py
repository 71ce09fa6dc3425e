"""What every `Library` must do, sentence by sentence of the port's contract, over the embedded stores: here,
and as a worker on another machine has them."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from chatserver.ingest.elsewhere.stores import FarLibrary
from chatserver.ingest.ingestion import Ingestion
from chatserver.ingest.ledger_sqlite import SqliteLedger
from chatserver.ingest.library import SteppedLibrary
from chatserver.ingest.spool import Spool
from graph.embedded.library import SqliteLibrary
from graph.embedded.records import SqliteRecordStore
from graph.embedded.store import SqliteGraphStore
from graph.linking import document_links
from graph.mentions import NameTrie
from graph.ports import Library
from graph.types import Whole
from retrieval.embedded.database import Database
from retrieval.embedded.documents import SqliteDocumentStore
from retrieval.embedded.keywords import SqliteKeywordIndex
from retrieval.embedded.vectors import SqliteVectorStore
from retrieval.errors import DimensionMismatch, RetrievalError, Temporary
from retrieval.types import Document, Metadata, Passage, Space, Vector
from tests.contracts.far_directory import far_directory
from tests.ingest.worker import ScriptedEmbedder

SPACE = Space("test", 2)


@dataclass
class Shelves:
    """A library and the stores that it leads to."""

    library: Library
    db: Database
    documents: SqliteDocumentStore
    vectors: SqliteVectorStore
    graph: SqliteGraphStore
    keywords: SqliteKeywordIndex

    async def found(self, word: str) -> dict[str, set[str]]:
        """The passages that each leg finds, looked up as a search does it."""
        legs = {
            "vector": [hit.passage for hit in await self.vectors.search([1.0, 0.1], top_k=100)],
            "keyword": [hit.passage for hit in await self.keywords.search(word, top_k=100)],
        }
        return {leg: {p.text for p in await self.documents.passages(ids)} for leg, ids in legs.items()}

    async def rows(self) -> list[int]:
        """How many vectors, passages in the full text, and passages in the graph there are."""

        def run(connection: sqlite3.Connection) -> list[int]:
            counts = (
                "SELECT count(*) FROM vectors WHERE vector IS NOT NULL",
                "SELECT count(*) FROM passages",
                "SELECT count(*) FROM graph_passage",
            )
            return [connection.execute(count).fetchone()[0] for count in counts]

        return await self.db.read(run)


@pytest.fixture(params=["one file", "stepped", "elsewhere"])
async def shelves(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shelves]:
    db = await Database.open(tmp_path / "knowledge.db")
    documents = await SqliteDocumentStore.open(db)
    vectors, graph = await SqliteVectorStore.open(db, SPACE), await SqliteGraphStore.open(db)
    keywords = await SqliteKeywordIndex.open(db)
    library: Library = SteppedLibrary(documents, vectors, graph)
    if request.param != "stepped":
        library = await SqliteLibrary.open(db, SPACE)
    async with AsyncExitStack() as stack:
        if request.param == "elsewhere":
            ledger = await SqliteLedger.open(tmp_path / "ledger.db")
            stack.push_async_callback(ledger.aclose)
            records = await SqliteRecordStore.open(db)
            ingestion = Ingestion(documents, library, ScriptedEmbedder(), graph, records)
            url = request.getfixturevalue("redis").url
            library = FarLibrary(
                await stack.enter_async_context(far_directory(url, ingestion, ledger, Spool(tmp_path / "spool")))
            )
        yield Shelves(library, db, documents, vectors, graph, keywords)
    await db.aclose()


def whole(id: str, version: str, count: int, *, dimension: int = 2) -> Whole:
    document = Document(id, f"Title of {id}", " ".join([version] * count), {"format": "text"})
    passages = tuple(
        Passage(f"{id}#{n}", id, document.title, f"{version} part {n} of {id}", n, metadata=document.metadata)
        for n in range(count)
    )
    vectors: tuple[Vector, ...] = tuple([1.0, 0.1 + n / 10, *[0.0] * (dimension - 2)] for n in range(count))
    return Whole(document, passages, vectors, document_links(id, document.title, passages, NameTrie()), version)


async def test_a_stored_document_is_found_by_every_leg(shelves: Shelves) -> None:
    """Several at once; an empty call is none."""
    await shelves.library.store([])
    await shelves.library.store([whole("a", "old", 2), whole("b", "old", 1)])
    everything = {"old part 0 of a", "old part 1 of a", "old part 0 of b"}
    assert await shelves.found("old") == {"vector": everything, "keyword": everything}
    assert await shelves.documents.content_hashes(["a", "b"]) == {"a": "old", "b": "old"}


async def test_a_changed_document_takes_the_place_of_the_old_one(shelves: Shelves) -> None:
    """Nothing of the old version stays in any store: no passage, vector, word or node, when it becomes shorter."""
    await shelves.library.store([whole("a", "old", 5)])
    await shelves.library.store([whole("a", "new", 2)])
    expected = {"new part 0 of a", "new part 1 of a"}
    assert (await shelves.found("new"))["vector"] == expected
    assert (await shelves.found("old"))["keyword"] == set()
    assert await shelves.rows() == [2, 2, 2]
    assert await shelves.documents.left_behind(limit=10) == []


async def test_a_search_finds_one_version_or_the_other(shelves: Shelves) -> None:
    """While documents are replaced over and over, each search finds all passages of one version, and is never
    without one."""
    await shelves.library.store([whole("a", "v0", 3)])
    seen: list[frozenset[str]] = []

    async def watch() -> None:
        while True:
            ids = [f"a#{n}" for n in range(3)]
            seen.append(frozenset(p.text.split()[0] for p in await shelves.documents.passages(ids)))
            await asyncio.sleep(0)

    watching = asyncio.create_task(watch())
    for version in range(1, 30):
        await shelves.library.store([whole("a", f"v{version}", 3)])
    watching.cancel()
    assert {len(versions) for versions in seen} == {1}
    assert len(set(seen)) > 1


async def test_a_removed_document_leaves_nothing(shelves: Shelves) -> None:
    """The names of those that were there come back; unknown ones and another namespace's are none."""
    await shelves.library.store([whole("a", "old", 3), whole("b", "old", 1)])
    await shelves.library.store([whole("a", "theirs", 1)], namespace="other")
    assert await shelves.library.remove(["a", "nowhere"]) == ["a"]
    assert await shelves.library.remove(["a"]) == []
    assert await shelves.found("old") == {"vector": {"old part 0 of b"}, "keyword": {"old part 0 of b"}}
    assert await shelves.rows() == [2, 2, 2]
    assert await shelves.documents.content_hashes(["a"], namespace="other") == {"a": "theirs"}


async def test_a_refused_document_changes_nothing_that_is_seen(shelves: Shelves) -> None:
    """A vector of another length is refused, and the old version stays whole."""
    await shelves.library.store([whole("a", "old", 2)])
    with pytest.raises(DimensionMismatch):
        await shelves.library.store([whole("a", "new", 2, dimension=3)])
    expected = {"old part 0 of a", "old part 1 of a"}
    assert await shelves.found("old") == {"vector": expected, "keyword": expected}


async def test_the_same_document_from_two_sides_is_one_version(shelves: Shelves) -> None:
    """Concurrent stores of one document end with the vectors, passages and nodes of one of them."""
    async with asyncio.TaskGroup() as group:
        for version in range(12):
            group.create_task(shelves.library.store([whole("a", f"v{version}", 1 + version % 4)]))
    (stored,) = (await shelves.documents.content_hashes(["a"])).values()
    count = 1 + int(stored[1:]) % 4
    assert await shelves.rows() == [count, count, count]


class Failing(SqliteVectorStore):
    """Fails to delete, as often as it is told to."""

    failures = 1

    async def delete(self, passages: Sequence[str], *, namespace: str = "") -> None:
        if self.failures:
            self.failures -= 1
            raise Temporary("told to")
        await super().delete(passages, namespace=namespace)

    async def upsert(self, items: Sequence[tuple[str, Vector, Metadata]], *, namespace: str = "") -> None:
        await super().upsert(items, namespace=namespace)


async def test_vectors_that_could_not_be_deleted_are_deleted_by_the_next_call(tmp_path: Path) -> None:
    """A crash or an outage between the passages and their vectors leaves nothing for good."""
    db = await Database.open(tmp_path / "knowledge.db")
    documents, graph = await SqliteDocumentStore.open(db), await SqliteGraphStore.open(db)
    vectors = await Failing.open(db, SPACE)
    library = SteppedLibrary(documents, vectors, graph)
    await library.store([whole("a", "old", 4)])
    with pytest.raises(RetrievalError):
        await library.store([whole("a", "new", 1)])
    assert len(await vectors.fetch([f"a#{n}" for n in range(4)])) == 4
    await library.store([whole("b", "old", 1)])
    assert list(await vectors.fetch([f"a#{n}" for n in range(4)])) == ["a#0"]
    await db.aclose()
