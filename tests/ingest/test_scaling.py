"""What the cosines of an embedder say, measured by real ingests into real stores."""

import hashlib
import math
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from chatserver.ingest.report import no_progress
from chatserver.ingest.scaling import ENOUGH, FEWEST, Scaling
from chatserver.settings import Embeddings, Model, Settings, Storage
from chatserver.wiring import open_knowledge
from chatserver.wiring.knowledge import reembed_knowledge
from retrieval.embedded.database import Database
from retrieval.embedded.documents import SqliteDocumentStore
from retrieval.embedded.scales import SqliteScales
from retrieval.embedded.vectors import SqliteVectorStore
from retrieval.embedders.wordllama import WordLlamaEmbedder
from retrieval.errors import Temporary
from retrieval.hybrid import Hybrid
from retrieval.legs import vector_leg
from retrieval.ports import Embedder
from retrieval.scale import REFERENCE
from retrieval.text import content_words
from retrieval.types import Document, Found, Passage, Query, Space, Vector
from tests.ingest.crowded import Crowded, crowded
from tests.models.openai_server import openai_server

PARTS = ("tower", "chiller", "valve", "heat sink", "pump", "sensor", "filter", "boiler")
COUNT = 2 * FEWEST
ASKED = Query("Which unit holds a valve?", top_k=COUNT)
SPACE = Space("crowded", Crowded.dimension)


def passages(count: int, first: int = 0) -> list[Passage]:
    named = [(n, PARTS[n % len(PARTS)]) for n in range(first, first + count)]
    return [Passage(f"p{n}", f"p{n}", f"The {part}", f"Unit {n} holds a {part} made of steel.") for n, part in named]


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    db = await Database.open(tmp_path / "knowledge.db")
    yield db
    await db.aclose()


async def store(db: Database, embedder: Embedder, some: list[Passage]) -> tuple[SqliteDocumentStore, SqliteVectorStore]:
    documents = await SqliteDocumentStore.open(db)
    vectors = await SqliteVectorStore.open(db, Space(embedder.name, embedder.dimension))
    for passage in some:
        await documents.put(Document(passage.document, passage.title, passage.text), [passage], content_hash="")
    made = await embedder.embed([f"{passage.title}. {passage.text}" for passage in some])
    await vectors.upsert([(passage.id, vector, {}) for passage, vector in zip(some, made, strict=True)])
    return documents, vectors


async def scaling(
    db: Database, embedder: Embedder, documents: SqliteDocumentStore, vectors: SqliteVectorStore
) -> Scaling:
    return Scaling(embedder, documents, vectors, await SqliteScales.open(db), lambda: aclosing(WordLlamaEmbedder()))


async def test_a_crowded_embedder_scores_as_the_default_does(db: Database, tmp_path: Path) -> None:
    """By its own scale, nearly to the place; by the default's all passages would be as good as any."""
    plain = await Database.open(tmp_path / "plain.db")
    async with aclosing(WordLlamaEmbedder()) as default, aclosing(Crowded()) as embedder:
        wanted, _ = await scores(*await stores(plain, default), default)
        own, by_default = await scores(*await stores(db, embedder), embedder)
    assert own == pytest.approx(wanted, abs=0.02)
    assert min(by_default.values()) > 0.8 * max(by_default.values())
    assert min(wanted.values()) < 0.5 * max(wanted.values())
    await plain.aclose()


async def stores(db: Database, embedder: Embedder) -> tuple[Scaling, SqliteDocumentStore, SqliteVectorStore]:
    documents, vectors = await store(db, embedder, passages(COUNT))
    return await scaling(db, embedder, documents, vectors), documents, vectors


async def scores(
    measured: Scaling, documents: SqliteDocumentStore, vectors: SqliteVectorStore, embedder: Embedder
) -> tuple[dict[str, float], dict[str, float]]:
    """Of what one question finds: by the scale that is measured, and by the default's."""
    await measured.settle("")
    legs = {"vector": vector_leg(embedder, vectors)}
    by_own = await Hybrid(documents, legs, scale=measured.scale).search(ASKED)
    by_default = await Hybrid(documents, legs).search(ASKED)
    return _scores(by_own), _scores(by_default)


def _scores(found: Found) -> dict[str, float]:
    return {one.passage.id: one.score for one in found.passages}


async def test_few_passages_tell_nothing(db: Database) -> None:
    """Until there are enough the default embedder's scale stands in; with more it is measured anew, up to a number."""
    async with aclosing(Crowded()) as embedder:
        documents, vectors = await store(db, embedder, passages(FEWEST - 1))
        few = await scaling(db, embedder, documents, vectors)
        await few.settle("")
        assert (await few.store.get(SPACE), await few.scale()) == (None, REFERENCE)
        told = []
        for count in (1, FEWEST, ENOUGH, ENOUGH):
            held = (await documents.count())["passages"]
            await store(db, embedder, passages(count, held))
            await few.settle("")
            kept = await few.store.get(SPACE)
            assert kept is not None
            told.append(kept.questions)
        assert told == [FEWEST, 2 * FEWEST, ENOUGH, ENOUGH]


class Broken(Crowded):
    """Is away, or makes one vector of all texts."""

    def __init__(self, away: bool) -> None:
        super().__init__()
        self._away = away

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        if self._away:
            raise Temporary("away")
        return [[1.0] * self.dimension for _ in texts]


@pytest.mark.parametrize("away", [True, False])
async def test_what_can_not_be_measured_costs_no_ingest(db: Database, away: bool) -> None:
    """An embedder that is away, or tells nothing apart: the scale stays as it was."""
    async with aclosing(Crowded()) as embedder, aclosing(Broken(away)) as broken:
        there, *_ = await stores(db, embedder)
        await replace(there, embedder=broken).settle("")
        assert await there.store.get(SPACE) is None


def bag(text: str) -> list[float]:
    """Of the text's words, in a crowded space."""
    counts = Counter(int(hashlib.sha256(word.encode()).hexdigest(), 16) % 64 for word in content_words(text))
    length = math.hypot(*counts.values()) or 1.0
    return crowded([counts[n] / length for n in range(64)])


async def test_a_servers_embedder_is_measured_by_ingest_and_by_reembed(tmp_path: Path) -> None:
    """Once there is enough to measure it on; another process searches by that."""
    documents = [Document(one.document, one.title, one.text) for one in passages(COUNT)]
    async with openai_server() as server:
        server.embeds, server.dimension = bag, 65
        of_server = Settings(
            storage=Storage(data_dir=tmp_path / "ingested"),
            model=Model(base_url=server.url),
            embeddings=Embeddings(name="bag", dimension=65),
        )
        async with open_knowledge(of_server) as knowledge:
            await knowledge.ingestion.ingest_documents(documents)
        assert await floor(tmp_path / "ingested") > 0.5
        local = Settings(storage=Storage(data_dir=tmp_path / "reembedded"))
        async with open_knowledge(local) as knowledge:
            await knowledge.ingestion.ingest_documents(documents)
        await reembed_knowledge(of_server.model_copy(update={"storage": local.storage}), no_progress)
        assert await floor(tmp_path / "reembedded") > 0.5


async def floor(directory: Path) -> float:
    async with aclosing(await Database.open(directory / "knowledge.db")) as db:
        kept = await (await SqliteScales.open(db)).get(Space("bag", 65))
    return kept.scale.floor if kept else 0.0
