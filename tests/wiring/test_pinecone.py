"""The knowledge with its vectors on Pinecone: the real SDK against a server of the tests' own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from chatserver.settings import Pinecone, Retrieval, Settings, Storage
from chatserver.wiring import open_knowledge
from retrieval.types import Document, Found, LegState, Query
from tests.contracts.pinecone_server import KEY, PineconeServer, pinecone_server

DOCUMENTS = [
    Document("pump", "Pump", "The pump circulates the coolant through the whole circuit."),
    Document("fan", "Fan", "The fan blows air over the condenser."),
    Document("log", "Log", "Operators write every alarm into the log.", {"unit": 2}),
]


@pytest.fixture
async def server() -> AsyncIterator[PineconeServer]:
    async with pinecone_server(dimension=256) as server:
        yield server


@pytest.fixture
def settings(server: PineconeServer, tmp_path: Path) -> Settings:
    return Settings(
        storage=Storage(data_dir=tmp_path),
        retrieval=Retrieval(deadline_s=30.0),
        pinecone=Pinecone(api_key=SecretStr(KEY), host=server.url),
    )


def states(found: Found) -> dict[str, LegState]:
    return {leg.leg: leg.state for leg in found.legs}


async def test_passages_are_ingested_and_found_on_pinecone(settings: Settings, server: PineconeServer) -> None:
    """Vectors go there by namespace, searches ask there, and what changes or goes is replaced there."""
    async with open_knowledge(settings) as knowledge:
        await knowledge.ingestion.ingest_documents(DOCUMENTS, "acme")
        rows = server.indexes["passages"].namespaces["acme"]
        assert set(rows) == {"pump", "fan", "log"}
        assert rows["log"].metadata.items() >= {"unit": 2}.items()
        found = await knowledge.hybrid.search(Query("What circulates the coolant?", "acme"))
        assert found.passages[0].passage.id == "pump"
        assert set(states(found).values()) == {LegState.OK}
        found = await knowledge.hybrid.search(Query("coolant", "acme", {"unit": 2}))
        assert [ranked.passage.id for ranked in found.passages] == ["log"]
        before = rows["fan"].values
        await knowledge.ingestion.ingest_documents([Document("fan", "Fan", "It has been removed.")], "acme")
        assert server.indexes["passages"].namespaces["acme"]["fan"].values != before


async def test_without_pinecone_the_other_legs_answer(settings: Settings, server: PineconeServer) -> None:
    """A Pinecone that is down does not keep the server from starting; its leg is told as failed, until it is back."""
    async with open_knowledge(settings) as knowledge:
        await knowledge.ingestion.ingest_documents(DOCUMENTS)
    await server.stop()
    async with open_knowledge(settings) as knowledge:
        found = await knowledge.hybrid.search(Query("What circulates the coolant?"))
        assert states(found)["vector"] is not LegState.OK
        assert found.passages[0].passage.id == "pump"
        await server.start()
        found = await knowledge.hybrid.search(Query("What circulates the coolant?"))
        assert states(found)["vector"] is LegState.OK


async def test_a_wrong_key_stops_nothing_and_is_not_told(
    settings: Settings, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """It fails its leg only, with a code; the key is in no log."""
    wrong = settings.model_copy(
        update={"pinecone": settings.pinecone.model_copy(update={"api_key": SecretStr("pc-very-wrong")})}
    )
    async with open_knowledge(wrong) as knowledge:
        with pytest.raises(Exception, match="401"):
            await knowledge.ingestion.ingest_documents(DOCUMENTS)
        found = await knowledge.hybrid.search(Query("What circulates the coolant?"))
    assert {leg.code for leg in found.legs if leg.leg == "vector"} == {"upstream_unauthorized"}
    captured = capsys.readouterr()
    assert "very-wrong" not in captured.out + captured.err + caplog.text
