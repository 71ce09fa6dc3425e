"""Metadata by a model: asked through the real SDK of a server of ours, in a real ingest."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response

from chatserver.ingest.extracting import METADATA
from chatserver.settings import Ingest, Model, Settings, Storage
from chatserver.wiring import open_knowledge
from prompts import Prompts
from retrieval.errors import Permanent
from retrieval.types import Document, Query
from tests.models.openai_server import OpenAIServer, completing, openai_server, refusing

PUMP = Document("pump", "Pump P-101", "The Northern Works fitted P-101 on 4 March 2025.", {"unit": 7})
FILLED = {"language": "EN", "keywords": ["  pump ", "pump", ""], "entities": ["P-101"], "dates": ["2025-03-04", "soon"]}


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with openai_server() as server:
        server.filling = completing(json.dumps(FILLED))
        yield server


def settings(server: OpenAIServer, data: Path, calls: int = 20) -> Settings:
    return Settings(
        storage=Storage(data_dir=data),
        ingest=Ingest(metadata="model", calls=calls),
        model=Model(name="m", api_key=SecretStr("sk-1"), base_url=server.url),
    )


async def test_a_model_says_what_a_passage_is_about(server: OpenAIServer, tmp_path: Path) -> None:
    """By a strict schema, the passage fenced as data; a search is filtered by what it said, and by what rules said
    where it said nothing; the document's own words count more. Unchanged, it is not asked again."""
    async with open_knowledge(settings(server, tmp_path)) as knowledge:
        await knowledge.ingestion.ingest_documents([PUMP])
        await knowledge.ingestion.ingest_documents([PUMP])
        (passage,) = await knowledge.documents.passages(["pump"])
        found = await knowledge.hybrid.search(Query("pump", filter={"entities": "P-101", "year_to": {"$gte": 2025}}))
        missed = await knowledge.hybrid.search(Query("pump", filter={"year_to": {"$gte": 2026}}))
    assert passage.metadata == {
        "unit": 7,
        "language": "en",
        "keywords": ("pump",),
        "entities": ("P-101",),
        "dates": ("2025-03-04",),
        "year_from": 2025,
        "year_to": 2025,
    }
    assert ([hit.passage.id for hit in found.passages], missed.passages) == (["pump"], ())
    ((asked, key),) = server.forms
    assert (key, asked["response_format"]["json_schema"]["name"]) == ("Bearer sk-1", "metadata")
    assert "<<< data" in asked["messages"][1]["content"]


@pytest.mark.parametrize("answer", [completing("no JSON"), completing(None), refusing(400)])
async def test_a_passage_that_the_model_fails_at_has_what_rules_say(
    server: OpenAIServer, tmp_path: Path, answer: object
) -> None:
    """The ingest goes on."""
    server.filling = answer  # type: ignore[assignment]
    async with open_knowledge(settings(server, tmp_path)) as knowledge:
        report = await knowledge.ingestion.ingest_documents([PUMP])
        (passage,) = await knowledge.documents.passages(["pump"])
    assert (report.documents, passage.metadata["dates"]) == (1, ("2025-03-04",))


async def test_a_key_that_is_refused_ends_the_ingest(server: OpenAIServer, tmp_path: Path) -> None:
    """Every passage would fail alike."""
    server.filling = refusing(401)
    async with open_knowledge(settings(server, tmp_path)) as knowledge:
        with pytest.raises(Permanent):
            await knowledge.ingestion.ingest_documents([PUMP])


async def test_what_a_model_has_said_is_not_asked_again(server: OpenAIServer, tmp_path: Path) -> None:
    """It is kept until it is stored, also where the vectors cost nothing and are made again."""
    valve, refused = Document("valve", "Valve V-7", "V-7 closes the branch."), refusing(401)
    filled = server.filling

    async def one_of_two(request: Request) -> Response:
        return await (refused if b"V-7" in await request.body() else filled)(request)

    server.filling = one_of_two
    async with open_knowledge(settings(server, tmp_path, calls=1)) as knowledge:
        with pytest.raises(Permanent):
            await knowledge.ingestion.ingest_documents([PUMP, valve])
    server.filling = filled
    async with open_knowledge(settings(server, tmp_path)) as knowledge:
        await knowledge.ingestion.ingest_documents([PUMP, valve])
        stored = await knowledge.documents.passages(["pump", "valve"])
    assert [passage.metadata["dates"] for passage in stored] == [("2025-03-04",)] * 2
    asked = [body["messages"][1]["content"] for body, _ in server.forms]
    assert ["P-101" in text for text in asked] == [True, False, False]


def test_what_is_too_much_is_left_out() -> None:
    """Lists and their words are bounded, whatever a model says."""
    filled = {
        "language": "english",
        "keywords": ["x" * 1_000] + [f"w{n}" for n in range(99)],
        "entities": [],
        "dates": [],
    }
    told = METADATA.read(json.dumps(filled))
    assert told == {"keywords": ("x" * 100, *(f"w{n}" for n in range(11)))}
    assert Prompts().render("extract.system")


def test_a_model_has_to_be_there_to_be_asked() -> None:
    """Else the setting is a fault, told at the start."""
    with pytest.raises(ValueError, match="CHATSERVER_INGEST_METADATA"):
        Settings(ingest=Ingest(metadata="model"))
