"""Limits measured by real ingests: real stores, the default embedder, the extractive model."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chatserver.models.calibration import LEAST
from chatserver.models.limits import Measured
from chatserver.models.weights import shipped
from chatserver.settings import Settings, Storage
from chatserver.wiring import open_knowledge
from chatserver.wiring.knowledge import Knowledge
from retrieval.types import Document


def valves(first: int, after: int) -> list[Document]:
    return [
        Document(f"v{n}", f"Valve V-{n}", f"Valve V-{n} closes branch {n} of the plant.") for n in range(first, after)
    ]


@pytest.fixture
async def knowledge(tmp_path: Path) -> AsyncIterator[Knowledge]:
    async with open_knowledge(Settings(storage=Storage(data_dir=tmp_path))) as opened:
        yield opened


async def ingested(knowledge: Knowledge, documents: list[Document], namespace: str = "") -> Measured:
    await knowledge.ingestion.ingest_documents(documents, namespace)
    found = await knowledge.limits.get(namespace)
    assert found is not None
    return found


async def test_an_ingest_measures_the_limits_of_what_is_there(knowledge: Knowledge) -> None:
    """In a small handbook foreign questions find nothing, so that less is refused than in an encyclopedia."""
    found = await ingested(knowledge, valves(0, 30))
    assert found.passages == 30
    assert LEAST <= found.limits.refuse_below < shipped().limits.refuse_below


async def test_limits_are_measured_again_when_a_namespace_has_grown(knowledge: Knowledge) -> None:
    """Not for one document more, but for a tenth more; and each namespace has its own."""
    before = await ingested(knowledge, valves(0, 30))
    assert await ingested(knowledge, valves(30, 31)) == before
    assert (await ingested(knowledge, valves(31, 40))).passages == 40
    assert (await ingested(knowledge, valves(0, 3), "other")).passages == 3
    assert (await ingested(knowledge, [], "")).passages == 40


async def test_a_corpus_of_a_few_passages_has_the_least_limit(knowledge: Knowledge) -> None:
    """It is too small to be asked."""
    found = await ingested(knowledge, valves(0, 3))
    assert found.limits.refuse_below == LEAST
    assert found.limits.partly_below == shipped().limits.partly_below


async def test_limits_outlive_the_process(tmp_path: Path) -> None:
    """They stand in the file that holds the passages, and are not measured again for the same."""
    settings = Settings(storage=Storage(data_dir=tmp_path))
    async with open_knowledge(settings) as first:
        measured = await ingested(first, valves(0, 30))
    async with open_knowledge(settings) as second:
        assert await second.limits.get("") == measured
