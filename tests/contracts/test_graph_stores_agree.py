"""Two graphs of the same documents tell the same: neither store is a lesser one."""

from datetime import UTC, datetime
from pathlib import Path

from chatserver.ingest.ingestion import Ingestion
from chatserver.ingest.library import SteppedLibrary
from graph.ports import GraphStore, RecordStore
from graph.records import record_query
from retrieval.embedded.database import Database
from retrieval.embedded.documents import SqliteDocumentStore
from retrieval.embedded.vectors import SqliteVectorStore
from retrieval.embedders.wordllama import WordLlamaEmbedder
from retrieval.types import Hit, Link
from tests.contracts.graph_stores import stores

SAMPLE = Path(__file__).parents[2] / "examples" / "cooling-unit"


async def ingest(file: Path, graph: GraphStore, records: RecordStore) -> None:
    """The sample."""
    database = await Database.open(file)
    embedder = WordLlamaEmbedder()
    try:
        documents = await SqliteDocumentStore.open(database)
        library = SteppedLibrary(documents, await SqliteVectorStore.open(database), graph)
        report = await Ingestion(documents, library, embedder, graph, records).ingest_paths([SAMPLE])
        assert report.errors == []
    finally:
        await embedder.aclose()
        await database.aclose()


def rounded(found: list[Hit]) -> list[tuple[str, float]]:
    return [(hit.passage, round(hit.score, 9)) for hit in found]


def told(found: list[Link]) -> set[tuple[object, ...]]:
    return {(*link[:3], round(link.weight, 9), *link[4:]) for link in found}


async def test_the_sample_looks_the_same(tmp_path: Path) -> None:
    """Names, kinds, expansions, links, facts, subgraphs, collections and queries, over every passage of the sample."""
    async with stores("sqlite", tmp_path) as (here, here_records), stores("neo4j", tmp_path) as (there, there_records):
        await ingest(tmp_path / "here.db", here, here_records)
        await ingest(tmp_path / "there.db", there, there_records)
        names = sorted(await here.names())
        assert sorted(await there.names()) == names
        assert await there.entities(names) == await here.entities(names)
        passages = sorted({hit.passage for name in names for hit in await here.expand([], [name], limit=99)})
        assert len(passages) > 50
        for name in names[:40]:
            assert rounded(await there.expand([], [name], limit=50)) == rounded(await here.expand([], [name], limit=50))
        for passage in passages[:60]:
            hits = [await store.expand([passage], [], limit=20) for store in (here, there)]
            assert rounded(hits[1]) == rounded(hits[0]), passage
        for passage in ("sensors.md#0", "start-up.md#1", "alarms.md#0"):  # with many links of their own
            hits = [await store.expand([passage], [], limit=200, hops=2) for store in (here, there)]
            assert sorted(rounded(hits[1])) == sorted(rounded(hits[0])), passage
        for passage in passages[:20]:
            hits = [await store.expand([passage], [], limit=200, hops=2) for store in (here, there)]
            assert dict(rounded(hits[1])) == dict(rounded(hits[0])), passage
        for at in range(0, len(passages), 10):
            some = passages[at : at + 10]
            assert told(await there.links(some)) == told(await here.links(some))
            assert await there.facts(some, limit=50) == await here.facts(some, limit=50)
            shown = [await store.subgraph(f"passage:{some[0]}", limit=400) for store in (here, there)]
            assert set(shown[0].nodes) == set(shown[1].nodes)
            assert set(shown[0].edges) == set(shown[1].edges)
        assert await there_records.collections() == await here_records.collections()
        for question in ("the newest TelemetryEvent", "TelemetryEvents above 10", "the latest snapshot with a failure"):
            plan = record_query(question, await here_records.collections(), datetime(2026, 3, 14, tzinfo=UTC))
            assert plan is not None
            assert await there_records.query(plan) == await here_records.query(plan)
