"""Graph and records in Neo4j for callers without an event loop: scripts, notebooks.

with BlockingGraph("neo4j://localhost:7687", password="…") as neo4j:
    around = neo4j.run(neo4j.graph.subgraph("P-101"))
"""

from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from graph.neo4j.port import Database
from graph.neo4j.records import Neo4jRecordStore
from graph.neo4j.store import Neo4jGraphStore
from graph.ports import GraphStore, RecordStore
from retrieval.background import BackgroundLoop

T = TypeVar("T")


class BlockingGraph:
    """`run` does one thing of `graph` or `records` on a loop in the background and gives its result; any thread may
    call it. Close it, or use it in `with`. Raises what the stores raise."""

    def __init__(
        self, uri: str, *, username: str = "neo4j", password: str | None = None, database: str = "neo4j"
    ) -> None:
        from graph.neo4j.database import Neo4jDatabase  # the driver takes half a second to import

        self._db: Database = Neo4jDatabase(uri, username=username, password=password, database=database)
        self._background = BackgroundLoop("neo4j")
        self.graph: Final[GraphStore] = Neo4jGraphStore(self._db)
        self.records: Final[RecordStore] = Neo4jRecordStore(self._db)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._background.run(work)

    def close(self) -> None:
        """Idempotent; a later `run` begins anew."""
        self._background.run(self._db.aclose())
        self._background.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
