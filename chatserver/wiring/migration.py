"""The data directory's own stores on the one side, the configured ones on the other."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from chatserver.guards.watch import Counts
from chatserver.ingest.checkpoint import Checkpoint
from chatserver.ingest.migration import Migration, MigrationReport, Side
from chatserver.ingest.report import Progress
from chatserver.settings import Settings, SettingsError
from chatserver.wiring.embedder import open_embedder
from chatserver.wiring.graph import open_graph
from chatserver.wiring.upstreams import Upstreams
from chatserver.wiring.vectors import open_vectors
from graph.embedded.records import SqliteRecordStore
from graph.embedded.store import SqliteGraphStore
from retrieval.embedded.database import Database
from retrieval.embedded.documents import SqliteDocumentStore
from retrieval.embedded.vectors import SqliteVectorStore
from retrieval.types import Space


@dataclass(frozen=True, slots=True)
class Copying:
    """A migration that is ready to run. `what` names what it copies."""

    what: str
    migration: Migration
    namespaces: list[str]
    documents: int

    async def run(self, progress: Progress) -> MigrationReport:
        return await self.migration.run(self.namespaces, self.documents, progress)


@asynccontextmanager
async def open_migration(settings: Settings, *, back: bool) -> AsyncIterator[Copying]:
    """From the data directory to Pinecone and Neo4j, to what of them is set; `back`: from them. Raises
    `SettingsError` when neither is, `EmbedderChanged` when the data directory's vectors are another embedder's."""
    vectors, graph = settings.pinecone.api_key is not None, settings.neo4j.uri is not None
    if not (vectors or graph):
        raise SettingsError(["nothing to migrate to or from: set PINECONE_API_KEY or NEO4J_URI"])
    upstreams = Upstreams.guarded(settings, Counts())
    directory = settings.storage.data_dir
    async with AsyncExitStack() as stack:
        database = await Database.open(directory / "knowledge.db")
        stack.push_async_callback(database.aclose)
        embedder = await stack.enter_async_context(open_embedder(settings, upstreams))
        documents = await SqliteDocumentStore.open(database)
        records = await SqliteRecordStore.open(database)
        space = Space(embedder.name, embedder.dimension)
        here = Side(await SqliteVectorStore.open(database, space), await SqliteGraphStore.open(database), records)
        there = Side(
            await stack.enter_async_context(open_vectors(settings, database, space, upstreams)),
            *await stack.enter_async_context(open_graph(settings, database, upstreams)),
        )
        source, target = (there, here) if back else (here, there)
        what = " and ".join(name for name, copied in (("vectors", vectors), ("graph and records", graph)) if copied)
        checkpoint = Checkpoint(directory / "migration.json", f"{what}, {'back' if back else 'there'}")
        namespaces = sorted({*await documents.namespaces(), *(await source.records.namespaces() if graph else ())})
        counts = [await documents.count(namespace=namespace) for namespace in namespaces]
        migration = Migration(documents, source, target, embedder, checkpoint, vectors=vectors, graph=graph)
        yield Copying(what, migration, namespaces, sum(count["documents"] for count in counts))
