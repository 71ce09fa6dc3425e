"""Documents and records are taken out again: over HTTP and by the command."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from starlette.applications import Starlette

from chatserver.edge import knowledge, removal
from chatserver.edge.gate import Gate
from chatserver.edge.problems import Problem, on_problem
from chatserver.settings import Settings, Storage
from chatserver.wiring import System, open_system
from graph.types import Record, RecordKey, RecordQuery
from retrieval.types import Document
from tests.delivery.served import by_header

PUMP = Document("units/pump.md", "Pump P-101", "Pump P-101 moves glycol to the cooler.")
LOG = Document("log.md", "Log", "Pump P-101 stopped in the night.")
EVENT = Record("TelemetryEvent", "TE/1", {"component": "P-101", "value": 3})


@dataclass
class Doors:
    system: System
    client: httpx.AsyncClient

    async def delete(self, path: str) -> tuple[int, dict[str, str]]:
        response = await self.client.delete(path, headers={"X-User": "ada"})
        return response.status_code, response.json()

    async def found(self, text: str, namespace: str = "") -> list[str]:
        body = {"queries": [text], "namespace": namespace}
        response = await self.client.post("/v1/search", json=body, headers={"X-User": "ada"})
        return sorted(passage["id"] for passage in response.json()["results"][0]["passages"])


@pytest.fixture
async def doors(tmp_path: Path) -> AsyncIterator[Doors]:
    app = Starlette(routes=[*removal.ROUTES, *knowledge.ROUTES], exception_handlers={Problem: on_problem})
    app.state.gate = Gate(by_header, frozenset())
    async with open_system(Settings(storage=Storage(data_dir=tmp_path / "data"))) as system:
        app.state.system = system
        for namespace in ("", "acme"):
            await system.knowledge.ingestion.ingest_documents([PUMP, LOG], namespace)
            await system.knowledge.ingestion.ingest_records([EVENT], namespace)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as client:
            yield Doors(system, client)


async def test_a_deleted_document_is_found_no_more(doors: Doors) -> None:
    """By no leg, in its namespace alone; its passage is not there to be opened; a second time there is none."""
    assert await doors.found("Pump P-101") == ["log.md", "units/pump.md"]
    assert await doors.delete("/v1/documents/units/pump.md") == (200, {"document": "units/pump.md", "namespace": ""})
    assert await doors.found("Pump P-101") == ["log.md"]
    assert await doors.found("Pump P-101", "acme") == ["log.md", "units/pump.md"]
    opened = await doors.client.get("/v1/passages/units%2Fpump.md", headers={"X-User": "ada"})
    assert opened.status_code == 404
    status, problem = await doors.delete("/v1/documents/units/pump.md")
    assert (status, problem["code"]) == (404, "not_found")


@pytest.mark.parametrize("name", ["two\nlines.md", "100 % & more?.md", "a//b", "%2F"])
async def test_whatever_a_document_is_called_it_is_opened_and_deleted(doors: Doors, name: str) -> None:
    """Ids are names of files, and they may be any text."""
    await doors.system.knowledge.ingestion.ingest_documents([Document(name, "Odd", "The odd one hums.")])
    quoted = quote(name, safe="")
    opened = await doors.client.get(f"/v1/passages/{quoted}", headers={"X-User": "ada"})
    assert (opened.status_code, opened.json()["document"]) == (200, name)
    assert await doors.delete(f"/v1/documents/{quoted}") == (200, {"document": name, "namespace": ""})
    assert await doors.found("The odd one hums") == ["log.md", "units/pump.md"]


async def test_what_is_left_is_as_if_it_had_never_been(doors: Doors) -> None:
    """Once the next ingest has settled the names: no passage, no name, no count of it."""
    stores = doors.system.knowledge
    await doors.delete("/v1/documents/units/pump.md")
    await doors.delete("/v1/records/TelemetryEvent/TE%2F1")
    await stores.ingestion.ingest_documents([LOG])
    fresh = "fresh"
    await stores.ingestion.ingest_documents([LOG], fresh)
    assert await stores.documents.count() == await stores.documents.count(namespace=fresh)
    assert await stores.graph.size() == await stores.graph.size(namespace=fresh)
    assert await stores.graph.names() == await stores.graph.names(namespace=fresh)
    assert await stores.graph.subgraph("Log", hops=2) == await stores.graph.subgraph("Log", hops=2, namespace=fresh)


async def test_a_deleted_document_comes_back_whole(doors: Doors) -> None:
    """Ingested again it is not taken for unchanged."""
    await doors.delete("/v1/documents/units/pump.md")
    report = await doors.system.knowledge.ingestion.ingest_documents([PUMP])
    assert (report.documents, report.unchanged) == (1, 0)
    assert await doors.found("Pump P-101") == ["log.md", "units/pump.md"]


async def test_a_deleted_record_answers_no_query(doors: Doors) -> None:
    """Nor does the graph know it; in another namespace it stays."""
    stores = doors.system.knowledge
    answered = (200, {"collection": "TelemetryEvent", "record": "TE/1", "namespace": ""})
    assert await doors.delete("/v1/records/TelemetryEvent/TE%2F1") == answered
    assert await stores.records.collections() == {}
    assert (await stores.graph.subgraph("record:TelemetryEvent/TE/1")).nodes == ()
    query = RecordQuery("TelemetryEvent")
    assert await stores.records.query(query, namespace="acme") == [EVENT]
    assert (await doors.delete("/v1/records/TelemetryEvent/TE%2F1"))[0] == 404


async def test_a_namespace_of_others_is_left_alone(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may not read it takes nothing out of it."""
    monkeypatch.setattr("chatserver.access.identity.Identity.may_use", lambda self, namespace: namespace != "acme")
    assert (await doors.delete("/v1/documents/units/pump.md?namespace=acme"))[0] == 403
    assert (await doors.delete("/v1/records/TelemetryEvent/TE%2F1?namespace=acme"))[0] == 403
    assert await doors.found("Pump P-101") == ["log.md", "units/pump.md"]


async def test_a_record_is_deleted_with_its_names(doors: Doors) -> None:
    """Of several only those that were there are told."""
    taken = doors.system.knowledge.removal
    keys = [RecordKey("TelemetryEvent", "TE/1"), RecordKey("TelemetryEvent", "none")]
    assert await taken.records(keys) == keys[:1]
    assert await taken.documents(["log.md", "log.md", "none"]) == ["log.md"]


async def test_a_changed_document_is_never_absent(doors: Doors) -> None:
    """While it is replaced over and over, every search finds one version of it, whole."""
    stores = doors.system.knowledge
    done = asyncio.Event()

    async def replace() -> None:
        for n in range(20):
            changed = Document(PUMP.id, PUMP.title, f"Pump P-101 moves glycol, version {n}.")
            await stores.ingestion.ingest_documents([changed])
        done.set()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(replace())
        while not done.is_set():
            assert PUMP.id in await doors.found("Which version of the pump P-101 moves glycol?")
