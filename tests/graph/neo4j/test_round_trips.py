"""What a question costs: how many statements, and that their text holds nothing but what is in its file."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from graph.leg import GraphLeg, GraphLinks
from graph.neo4j.database import Neo4jDatabase
from graph.neo4j.port import Row, Run
from graph.neo4j.queries import statements, walk
from graph.neo4j.records import Neo4jRecordStore
from graph.neo4j.store import Neo4jGraphStore
from graph.types import Condition, Record, RecordQuery
from retrieval.types import Query
from tests.contracts.graph_stores import neo4j
from tests.graph.neo4j.test_database import links

T = TypeVar("T")
CYPHER = {path.stem: path.read_text("utf-8") for path in Path("graph/neo4j/cypher").glob("*.cypher")}


class Watched:
    """A database that notes the statements on their way."""

    def __init__(self, db: Neo4jDatabase) -> None:
        self._db = db
        self.said: list[str] = []
        self.prepare, self.describe, self.aclose = db.prepare, db.describe, db.aclose

    async def read(self, statement: str, parameters: Mapping[str, Any]) -> list[Row]:
        self.said.append(statement)
        return await self._db.read(statement, parameters)

    async def write(self, work: Callable[[Run], Awaitable[T]]) -> T:
        async def watched(run: Run) -> T:
            async def noted(statement: str, parameters: Mapping[str, Any]) -> list[Row]:
                self.said.append(statement)
                return await run(statement, parameters)

            return await work(noted)

        return await self._db.write(watched)


async def test_the_links_are_one_round_trip() -> None:
    """Of all the best passages together; and so is an expansion, however far it goes."""
    async with neo4j() as db:
        watched = Watched(db)
        store = Neo4jGraphStore(watched)
        await store.link([links(f"d{n}", f"Pump P-{n}", f"Pump P-{n + 1} feeds it.") for n in range(6)])
        watched.said.clear()
        await GraphLinks(store)(Query("Which pump?"), [f"d{n}" for n in range(6)])
        assert len(watched.said) == 1
        await store.expand(["d0"], ["pump p 3"], limit=5, hops=3)
        assert watched.said[1:] == [walk(3)]
        await GraphLeg(store)(Query("What feeds Pump P-3?"))
        assert len(watched.said) == 4


async def test_no_value_gets_into_a_statement() -> None:
    """Whatever names and values say, what is sent is the text of a file."""
    texts = {*CYPHER.values(), *statements("schema"), *(walk(hops) for hops in range(4))}
    nasty = "x'}) MATCH (n) DETACH DELETE n //"
    async with neo4j() as db:
        watched = Watched(db)
        store, records = Neo4jGraphStore(watched), Neo4jRecordStore(watched)
        await store.link([links(nasty, nasty, nasty)], namespace=nasty)
        await store.link_records([Record("Event", nasty, {nasty: nasty})], namespace=nasty)
        await records.put([Record(nasty, nasty, {nasty: nasty, "value": 1})], namespace=nasty)
        asked = RecordQuery(nasty, (Condition(nasty, "=", nasty),), nasty)
        assert len(await records.query(asked, namespace=nasty)) == 1
        await records.collections(namespace=nasty)
        await store.expand([nasty], [nasty], limit=5, namespace=nasty)
        await store.subgraph(nasty, namespace=nasty)
        await store.unread(limit=5, namespace=nasty)
        await store.unlink(nasty, namespace=nasty)
        assert set(watched.said) <= texts
