"""The stores that a corpus can be kept in for the benchmarks, by name."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from graph.embedded.records import SqliteRecordStore
from graph.embedded.store import SqliteGraphStore
from graph.ports import GraphStore, RecordStore
from retrieval.embedded.database import Database
from retrieval.embedded.documents import SqliteDocumentStore
from retrieval.embedded.keywords import SqliteKeywordIndex
from retrieval.embedded.vectors import SqliteVectorStore
from retrieval.ports import DocumentStore, KeywordIndex, VectorStore

PATIENCE_S = 60.0  # for a call of a busy machine; what is measured is what is found


@dataclass(frozen=True, slots=True)
class Stores:
    documents: DocumentStore
    vectors: VectorStore
    graph: GraphStore
    records: RecordStore
    keywords: KeywordIndex


OpenStores: TypeAlias = Callable[[Path, int], AbstractAsyncContextManager[Stores]]
"""Empty stores for vectors of so many dimensions; files of theirs go into the directory, deleted afterwards."""


@asynccontextmanager
async def embedded(data_dir: Path, _: int) -> AsyncIterator[Stores]:
    database = await Database.open(data_dir / "knowledge.db")
    try:
        yield Stores(
            await SqliteDocumentStore.open(database),
            await SqliteVectorStore.open(database),
            await SqliteGraphStore.open(database),
            await SqliteRecordStore.open(database),
            await SqliteKeywordIndex.open(database),
        )
    finally:
        await database.aclose()


@asynccontextmanager
async def pinecone_and_neo4j(data_dir: Path, dimension: int) -> AsyncIterator[Stores]:
    """As a server has them that both are set for: passages and full text stay in the data directory. Pinecone's SDK
    speaks to the tests' server, in this process, so that its work is in the times; Neo4j is a real one (`make
    neo4j`) of this base's own, whose files are not in what the base takes on disk."""
    # extras, and slow ones
    from graph.neo4j.database import Neo4jDatabase
    from graph.neo4j.records import Neo4jRecordStore
    from graph.neo4j.store import Neo4jGraphStore
    from retrieval.pinecone import PineconeAddress, PineconeVectors
    from tests.contracts.neo4j_server import PASSWORD, Neo4jServer, require_neo4j
    from tests.contracts.pinecone_server import KEY, pinecone_server

    require_neo4j()
    (data_dir / "neo4j").mkdir()
    async with AsyncExitStack() as stack:
        database = await Database.open(data_dir / "knowledge.db")
        stack.push_async_callback(database.aclose)
        pinecone = await stack.enter_async_context(pinecone_server(dimension=dimension))
        vectors = PineconeVectors(PineconeAddress(KEY, host=pinecone.url), dimension, timeout_s=PATIENCE_S)
        stack.push_async_callback(vectors.aclose)
        server = Neo4jServer(data_dir / "neo4j")
        stack.callback(server.kill)
        await asyncio.to_thread(server.start)
        neo4j = await Neo4jDatabase.open(server.uri, password=PASSWORD)
        stack.push_async_callback(neo4j.aclose)
        yield Stores(
            await SqliteDocumentStore.open(database),
            vectors,
            Neo4jGraphStore(neo4j),
            Neo4jRecordStore(neo4j),
            await SqliteKeywordIndex.open(database),
        )


STORES: dict[str, OpenStores] = {"embedded": embedded, "pinecone+neo4j": pinecone_and_neo4j}
