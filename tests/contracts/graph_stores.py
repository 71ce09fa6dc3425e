"""The graphs that the contracts are checked on, by name."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from graph.embedded.records import SqliteRecordStore
from graph.embedded.store import SqliteGraphStore
from graph.neo4j.database import Neo4jDatabase
from graph.neo4j.records import Neo4jRecordStore
from graph.neo4j.store import Neo4jGraphStore
from graph.ports import GraphStore, RecordStore
from retrieval.embedded.database import Database
from tests.contracts.neo4j_server import PASSWORD, standalone_neo4j

STORES = ("sqlite", "neo4j")


@asynccontextmanager
async def stores(name: str, directory: Path) -> AsyncIterator[tuple[GraphStore, RecordStore]]:
    """Empty ones."""
    if name == "sqlite":
        database = await Database.open(directory / "store.db")
        try:
            yield await SqliteGraphStore.open(database), await SqliteRecordStore.open(database)
        finally:
            await database.aclose()
    else:
        async with neo4j() as db:
            yield Neo4jGraphStore(db), Neo4jRecordStore(db)


@asynccontextmanager
async def neo4j() -> AsyncIterator[Neo4jDatabase]:
    """A real server, cleared."""
    server = standalone_neo4j()
    server.clear()
    db = await Neo4jDatabase.open(server.uri, password=PASSWORD)
    try:
        yield db
    finally:
        await db.aclose()
