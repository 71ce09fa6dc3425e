"""From a data directory to Pinecone and Neo4j and back: the real SDK to a server of the tests' own, a real Neo4j."""

from collections.abc import AsyncIterator
from pathlib import Path
from shutil import copytree

import pytest
from pydantic import SecretStr

from chatserver.ingest.checkpoint import Checkpoint
from chatserver.ingest.report import no_progress
from chatserver.settings import Neo4j, Pinecone, Retrieval, Settings, SettingsError, Storage
from chatserver.wiring import Knowledge, open_knowledge, open_migration
from graph.types import RecordQuery
from retrieval.embedded.database import Database
from retrieval.embedded.documents import SqliteDocumentStore
from retrieval.types import Found, Query
from tests.contracts.neo4j_server import PASSWORD, standalone_neo4j
from tests.contracts.pinecone_server import KEY, PineconeServer, pinecone_server

SAMPLE = Path(__file__).parents[2] / "examples" / "cooling-unit"
PATIENT = Retrieval(deadline_s=60.0)  # on a busy machine a graph that has just started is late for its own reasons
ASKED = ("What does alarm A-41 mean?", "Which pump feeds E-301?", "Hoe start ik de koelunit?", "What is FM-03?")


@pytest.fixture
async def pinecone() -> AsyncIterator[PineconeServer]:
    async with pinecone_server(dimension=256) as server:
        yield server


@pytest.fixture
async def embedded(sample: Path, tmp_path: Path) -> Settings:
    data = copytree(sample, tmp_path / "data")
    settings = Settings(storage=Storage(data_dir=data), retrieval=PATIENT)
    async with open_knowledge(settings) as knowledge:
        await knowledge.ingestion.ingest_paths([SAMPLE / "alarms.md"], "second")
    return settings


def remote(settings: Settings, pinecone: PineconeServer, *, graph: bool = False) -> Settings:
    update: dict[str, object] = {"pinecone": Pinecone(api_key=SecretStr(KEY), host=pinecone.url)}
    if graph:
        server = standalone_neo4j()
        server.clear()
        update["neo4j"] = Neo4j(uri=server.uri, username="neo4j", password=SecretStr(PASSWORD))
    return settings.model_copy(update=update)


async def known(knowledge: Knowledge) -> tuple[list[Found], dict[str, int], list[object]]:
    """What is found, and the records."""
    found = [await knowledge.hybrid.search(Query(text)) for text in ASKED]
    collections = await knowledge.records.collections()
    records: list[object] = []
    for name, collection in sorted(collections.items()):
        records += await knowledge.records.query(RecordQuery(name, sort="id", descending=False, limit=collection.count))
    return found, {name: collection.count for name, collection in collections.items()}, records


async def documents_alone(settings: Settings, directory: Path) -> Settings:
    """Another data directory with the same documents and passages, and nothing else."""
    copy = Settings(storage=Storage(data_dir=directory), retrieval=PATIENT)
    source = await Database.open(settings.storage.data_dir / "knowledge.db")
    target = await Database.open(directory / "knowledge.db")
    held, put = await SqliteDocumentStore.open(source), await SqliteDocumentStore.open(target)
    for namespace in await held.namespaces():
        for document, passages in await held.page("", limit=1_000, namespace=namespace):
            hash = (await held.content_hashes([document.id], namespace=namespace)).get(document.id)
            await put.put(document, passages, hash or "", namespace=namespace)
    await source.aclose()
    await target.aclose()
    return copy


def names(found: list[Found]) -> list[list[str]]:
    return [[ranked.passage.id for ranked in one.passages] for one in found]


async def test_there_and_back_again(tmp_path: Path, embedded: Settings, pinecone: PineconeServer) -> None:
    """The same questions find the same passages on Pinecone and Neo4j, and in a data directory that they are copied
    back to; the records are the same."""
    settings = remote(embedded, pinecone, graph=True)
    async with open_knowledge(embedded) as knowledge:
        found, counts, records = await known(knowledge)
    steps: list[tuple[str, int, int]] = []
    async with open_migration(settings, back=False) as copying:
        report = await copying.run(lambda *step: steps.append(step))
    assert report.documents == copying.documents > 0
    assert (report.remade, report.records) == (0, sum(counts.values()))
    assert ("store", copying.documents, copying.documents) in steps
    async with open_knowledge(settings) as knowledge:
        there, there_counts, there_records = await known(knowledge)
        assert all(leg.state == "ok" for one in there for leg in one.legs)
    assert names(there) == names(found)
    assert (there_counts, there_records) == (counts, records)

    copy = await documents_alone(embedded, tmp_path / "copy")
    async with open_migration(settings.model_copy(update={"storage": copy.storage}), back=True) as copying:
        report = await copying.run(no_progress)
    assert (report.remade, report.records) == (0, sum(counts.values()))
    async with open_knowledge(copy) as knowledge:
        back, back_counts, back_records = await known(knowledge)
    assert names(back) == names(found)
    assert (back_counts, back_records) == (counts, records)


async def test_it_goes_on_where_it_was(embedded: Settings, pinecone: PineconeServer) -> None:
    """After a break, what is done is not done again; in the end no checkpoint is left."""
    settings = remote(embedded, pinecone)
    path = embedded.storage.data_dir / "migration.json"
    checkpoint = Checkpoint(path, "vectors, there")
    await checkpoint.save("", "shutdown.md")
    async with open_migration(settings, back=False) as copying:
        report = await copying.run(no_progress)
        assert 0 < report.documents < copying.documents
    assert not path.exists()
    async with open_migration(settings, back=False) as copying:
        assert (await copying.run(no_progress)).documents == copying.documents


async def test_records_go_on_where_they_were(embedded: Settings, pinecone: PineconeServer) -> None:
    """Records that are behind the checkpoint are not copied again; they come in pages, with progress."""
    settings = remote(embedded, pinecone, graph=True)
    async with open_knowledge(embedded) as knowledge:
        counts = {name: found.count for name, found in (await knowledge.records.collections()).items()}
    last = max(counts, key=lambda name: counts[name])
    checkpoint = Checkpoint(embedded.storage.data_dir / "migration.json", "vectors and graph and records, there")
    await checkpoint.save(f"records\0\0{last}", "\U0010ffff")
    steps: list[tuple[str, int, int]] = []
    async with open_migration(settings, back=False) as copying:
        report = await copying.run(lambda *step: steps.append(step))
    assert report.records == sum(counts.values()) - counts[last]
    assert {step for step in steps if step[0] == "load"} == {
        ("load", count, count) for name, count in counts.items() if name != last
    }


async def test_a_checkpoint_of_the_other_way_is_not_gone_on_from(tmp_path: Path) -> None:
    """Nor is a file that is damaged."""
    path = tmp_path / "migration.json"
    await Checkpoint(path, "there").save("", "b")
    for route, done in (("there", "b"), ("back", "")):
        checkpoint = Checkpoint(path, route)
        await checkpoint.open()
        assert checkpoint.of("") == done
    path.write_text('{"route": "there"')
    checkpoint = Checkpoint(path, "there")
    await checkpoint.open()
    assert checkpoint.of("") == ""


async def test_without_another_store_there_is_nothing_to_do(embedded: Settings) -> None:
    """It says which settings are missing."""
    with pytest.raises(SettingsError, match="PINECONE_API_KEY"):
        async with open_migration(embedded, back=False):
            pass
