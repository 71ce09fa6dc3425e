"""Where the graph and the typed records are kept: in Neo4j when one is set, else beside the passages."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import structlog

from chatserver.guards.graph import GuardedGraphStore, GuardedRecordStore
from chatserver.settings import Settings, SettingsError
from chatserver.wiring.upstreams import Upstreams
from graph.embedded.records import SqliteRecordStore
from graph.embedded.store import SqliteGraphStore
from graph.neo4j.port import Database as Neo4j
from graph.neo4j.records import Neo4jRecordStore
from graph.neo4j.store import Neo4jGraphStore
from graph.ports import GraphStore, RecordStore
from retrieval.embedded.database import Database
from retrieval.errors import Temporary

log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_graph(
    settings: Settings, embedded: Database, upstreams: Upstreams
) -> AsyncIterator[tuple[GraphStore, RecordStore]]:
    """A Neo4j that is away is no reason not to start: answers come without it, and say so, until it is back. One that
    refuses is: raises `Permanent`, and `SettingsError` without the driver."""
    if settings.neo4j.uri is None:
        yield await SqliteGraphStore.open(embedded), await SqliteRecordStore.open(embedded)
        return
    server = _neo4j(settings)
    try:
        try:
            await server.prepare()
        except Temporary as error:
            log.warning("graph store is away", code=error.code, error=str(error))
        graph, records = Neo4jGraphStore(server), Neo4jRecordStore(server)
        yield (
            GuardedGraphStore(graph, upstreams.graph, upstreams.limits),
            GuardedRecordStore(records, upstreams.graph, upstreams.limits),
        )
    finally:
        await server.aclose()


async def reach_graph(settings: Settings, namespaces: Sequence[str]) -> tuple[str, Mapping[str, int]]:
    """What Neo4j says it is, and how many passages are linked in each namespace. Raises `RetrievalError`, and
    `SettingsError` without the driver."""
    server = _neo4j(settings)
    try:
        told = await server.describe()
        store = Neo4jGraphStore(server)
        return told, {namespace: await store.size(namespace=namespace) for namespace in namespaces}
    finally:
        await server.aclose()


def _neo4j(settings: Settings) -> Neo4j:
    try:
        from graph.neo4j.database import Neo4jDatabase  # the driver takes half a second to import
    except ModuleNotFoundError:
        raise SettingsError(["NEO4J_URI: the driver is not installed; install chatserver[neo4j]"]) from None
    neo4j = settings.neo4j
    password = neo4j.password.get_secret_value() if neo4j.password else None
    return Neo4jDatabase(str(neo4j.uri), username=neo4j.username, password=password, database=neo4j.database)
