"""The bundled sample, ingested: its record questions find their records, and no other question asks for any."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree

import pytest

from graph.embedded.records import SqliteRecordStore
from graph.planning.plan import record_plan
from retrieval.embedded.database import Database

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
async def records(sample: Path, tmp_path: Path) -> AsyncIterator[SqliteRecordStore]:
    db = await Database.open(copytree(sample, tmp_path / "data") / "knowledge.db")
    yield await SqliteRecordStore.open(db)
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
