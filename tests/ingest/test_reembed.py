import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from chatserver.ingest.ingestion import Ingestion
from chatserver.ingest.library import SteppedLibrary
from chatserver.ingest.reembed import reembed
from graph.embedded.records import SqliteRecordStore
from graph.embedded.store import SqliteGraphStore
from retrieval.embedded.database import Database
from retrieval.embedded.documents import SqliteDocumentStore
from retrieval.embedded.staging import SqliteVectorStaging
from retrieval.embedded.vectors import SqliteVectorStore
from retrieval.errors import EmbedderChanged, Temporary
from retrieval.ports import Embedder
from retrieval.types import Document, Space, Vector


class Letters:
    """Counts letters, from `first` on; fails after so many calls."""

    dimension = 26

    def __init__(self, first: str = "a", fails_after: int = 1_000) -> None:
        self.name = f"letters-{first}"
        self.embedded = 0
        self._first = ord(first)
        self._left = fails_after

    @property
    def space(self) -> Space:
        return Space(self.name, self.dimension)

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        if not self._left:
            raise Temporary("the line is cut")
        self._left -= 1
        self.embedded += len(texts)
        return [self._vector(text.lower()) for text in texts]

    def _vector(self, text: str) -> Vector:
        return [0.01 + text.count(chr(97 + (self._first - 97 + n) % 26)) for n in range(26)]


OLD, NEW = Letters("a"), Letters("n")
TEXTS = [Document(f"d{n}", "", f"word {chr(97 + n % 26) * (1 + n // 26)}") for n in range(300)]


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    db = await Database.open(tmp_path / "store.db")
    yield db
    await db.aclose()


async def ingest(db: Database, documents: Sequence[Document], embedder: Embedder = OLD, namespace: str = "") -> None:
    vectors = await SqliteVectorStore.open(db, Space(embedder.name, embedder.dimension))
    stored = await SqliteDocumentStore.open(db)
    graph, records = await SqliteGraphStore.open(db), await SqliteRecordStore.open(db)
    library = SteppedLibrary(stored, vectors, graph)
    await Ingestion(stored, library, embedder, graph, records).ingest_documents(documents, namespace)


async def anew(db: Database, embedder: Letters) -> int:
    staging = await SqliteVectorStaging.open(db, embedder.space)
    return await reembed(staging, await SqliteDocumentStore.open(db), embedder)


async def found(db: Database, embedder: Letters, text: str, namespace: str = "") -> str:
    store = await SqliteVectorStore.open(db, embedder.space)
    (vector,) = await embedder.embed([text])
    (hit,) = await store.search(vector, top_k=1, namespace=namespace)
    return hit.passage


async def test_an_embedder_of_the_same_dimension_is_another(db: Database) -> None:
    """Its name tells: the store does not open for it."""
    await ingest(db, TEXTS[:3])
    with pytest.raises(EmbedderChanged, match="chatserver reembed"):
        await SqliteVectorStore.open(db, NEW.space)
    await SqliteVectorStore.open(db, OLD.space)


async def test_an_empty_file_takes_any_embedder(db: Database) -> None:
    """Opening it for one binds nobody as long as there is no vector."""
    await SqliteVectorStore.open(db, OLD.space)
    await SqliteVectorStore.open(db, NEW.space)
    await ingest(db, TEXTS[:3], NEW)


async def test_all_namespaces_are_made_anew(db: Database) -> None:
    """Every vector is of the new embedder, and the same search finds the same passage."""
    await ingest(db, TEXTS)
    await ingest(db, TEXTS[:30], namespace="other")
    assert await anew(db, NEW) == 330
    assert await found(db, NEW, TEXTS[7].text) == "d7"
    assert await found(db, NEW, TEXTS[8].text, "other") == "d8"
    assert await anew(db, NEW) == 0


async def test_an_interrupted_run_goes_on(db: Database) -> None:
    """The old vectors serve meanwhile, and no passage is embedded twice."""
    await ingest(db, TEXTS)
    cut = Letters("n", fails_after=1)
    with pytest.raises(Temporary):
        await anew(db, cut)
    assert await found(db, OLD, TEXTS[7].text) == "d7"
    rest = Letters("n")
    assert await anew(db, rest) == 300
    assert cut.embedded + rest.embedded == 300


async def test_what_changes_meanwhile_is_not_lost(db: Database) -> None:
    """A document that is changed, added or deleted between two runs is as it was left."""
    await ingest(db, TEXTS)
    with pytest.raises(Temporary):
        await anew(db, Letters("n", fails_after=2))
    await ingest(db, [Document("d0", "", "zzz zzz zzz"), Document("new", "", "qqq qqq qqq")])
    documents = await SqliteDocumentStore.open(db)
    gone = await documents.delete("d1")
    await (await SqliteVectorStore.open(db, OLD.space)).delete(gone)
    assert await anew(db, NEW) == 300
    assert await found(db, NEW, "zzz zzz zzz") == "d0"
    assert await found(db, NEW, "qqq qqq qqq") == "new"
    assert await found(db, NEW, TEXTS[1].text) != "d1"


async def test_a_server_that_runs_on_does_not_mix_spaces(db: Database) -> None:
    """After the switch, a store that was opened for the old embedder refuses to search and to take vectors."""
    await ingest(db, TEXTS[:3])
    running = await SqliteVectorStore.open(db, OLD.space)
    (vector,) = await OLD.embed(["a"])
    assert await running.search(vector, top_k=1)
    await anew(db, NEW)
    with pytest.raises(EmbedderChanged):
        await running.search(vector, top_k=1)
    with pytest.raises(EmbedderChanged):
        await running.upsert([("x", vector, {})])


async def test_a_file_from_before_embedders_were_named(db: Database) -> None:
    """Its vectors are the default embedder's: there was no other."""
    store = await SqliteVectorStore.open(db)
    await store.upsert([("a", [1.0] * 256, {})])
    await db.write(lambda connection: connection.execute("DROP TABLE vector_space"))
    name = "retrieval.vector_space"
    await db.write(lambda connection: connection.execute("DELETE FROM migrations WHERE name = ?", (name,)))
    with pytest.raises(EmbedderChanged):
        await SqliteVectorStore.open(db, Space("other", 256))
    await SqliteVectorStore.open(db, Space("wordllama-l2-supercat-256", 256))


async def test_two_at_once_end_in_one_switch(db: Database) -> None:
    """Both end well, and the vectors are those of the new embedder."""
    await ingest(db, TEXTS)
    await asyncio.gather(anew(db, Letters("n")), anew(db, Letters("n")))
    assert await found(db, NEW, TEXTS[7].text) == "d7"
