"""The system with Neo4j set: what is kept there, and what is left of an answer when it is away."""

from pathlib import Path

from pydantic import SecretStr

from chatserver.settings import Neo4j, Retrieval, Settings, Storage
from chatserver.wiring import open_knowledge
from graph.types import Record, RecordQuery
from retrieval.fusion import GRAPH, KEYWORD
from retrieval.types import Document, LegState, Query
from tests.contracts.graph_stores import neo4j
from tests.contracts.neo4j_server import PASSWORD, standalone_neo4j

PUMP = Document("pump", "Great Northern Pump", "It feeds the cooling unit.")
LOG = Document("log", "Log", "The Great Northern Pump failed at noon.")
ASKED = Query("What happened to the Great Northern Pump?")


def settings(directory: Path, uri: str | None) -> Settings:
    return Settings(
        storage=Storage(data_dir=directory),
        neo4j=Neo4j(uri=uri, password=SecretStr(PASSWORD)),
        retrieval=Retrieval(deadline_s=30),
    )


AWAY = "bolt://127.0.0.1:1"
"""Refused at once. The deadline is a long one all the same: the driver leaves a socket that it was connecting when it
is cancelled to the garbage collector, in whichever test that comes by."""


async def test_graph_and_records_are_kept_in_neo4j(tmp_path: Path) -> None:
    """What is ingested is linked and queried there; the passages stay in the data directory."""
    async with neo4j() as db, open_knowledge(settings(tmp_path, standalone_neo4j().uri)) as knowledge:
        await knowledge.ingestion.ingest_documents([PUMP, LOG])
        await knowledge.ingestion.ingest_records([Record("Event", "E-1", {"component": "Great Northern Pump"})])
        found = await knowledge.hybrid.search(ASKED)
        assert {leg.leg: leg.state for leg in found.legs}[GRAPH] is LegState.OK
        assert {ranked.passage.id for ranked in found.passages} == {"pump", "log"}
        assert [record.id for record in await knowledge.records.query(RecordQuery("Event"))] == ["E-1"]
        assert await db.read(
            "MATCH (p:Passage)-[:MENTIONS]->(:Entity)-[:STANDS_IN]->(r:Record) RETURN p.key, r.key", {}
        )
        assert (await knowledge.documents.count())["passages"] == 2


async def test_a_neo4j_that_is_away_costs_its_leg_only(tmp_path: Path) -> None:
    """The system starts, and a search finds what the other legs find and tells which one is missing."""
    async with open_knowledge(settings(tmp_path, None)) as knowledge:
        await knowledge.ingestion.ingest_documents([PUMP, LOG])
    async with open_knowledge(settings(tmp_path, AWAY)) as knowledge:
        found = await knowledge.hybrid.search(ASKED)
    states = {leg.leg: leg.state for leg in found.legs}
    assert states[GRAPH] is not LegState.OK
    assert states[KEYWORD] is LegState.OK
    assert {ranked.passage.id for ranked in found.passages} == {"pump", "log"}
