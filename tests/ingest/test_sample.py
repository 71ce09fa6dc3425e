"""The bundled sample, ingested: its record questions find their records, and no other question asks for any."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chatserver.ingest.ingestion import Ingestion
from chatserver.ingest.library import SteppedLibrary
from graph.embedded.records import SqliteRecordStore
from graph.embedded.store import SqliteGraphStore
from graph.planning.plan import record_plan
from retrieval.embedded.database import Database
from retrieval.embedded.documents import SqliteDocumentStore
from retrieval.embedded.vectors import SqliteVectorStore
from retrieval.embedders.wordllama import WordLlamaEmbedder

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[SqliteRecordStore]:
    db = await Database.open(tmp_path / "knowledge.db")
    embedder = WordLlamaEmbedder()
    documents, graph = await SqliteDocumentStore.open(db), await SqliteGraphStore.open(db)
    records = await SqliteRecordStore.open(db)
    library = SteppedLibrary(documents, await SqliteVectorStore.open(db), graph)
    ingestion = Ingestion(documents, library, embedder, graph, records)
    report = await ingestion.ingest_paths([EXAMPLES / "cooling-unit"])
    assert report.errors == []
    assert report.skipped == []
    yield records
    await embedder.aclose()
    await db.aclose()


async def test_the_questions_of_the_sample(records: SqliteRecordStore) -> None:
    """Every expected record is found; a question for passages makes no record query."""
    collections = await records.collections()
    for line in (EXAMPLES / "questions.jsonl").read_text().splitlines():
        question = json.loads(line)
        plan = record_plan(question["question"], collections, datetime(2026, 3, 14, tzinfo=UTC))
        expected = [(record["collection"], record["id"]) for record in question["records"]]
        rows = [record for query in plan.queries for record in await records.query(query)]
        found = [(record.collection, record.id) for record in rows]
        assert set(expected) <= set(found), question
        assert bool(expected) == bool(plan and not plan.maybe), question
