"""Vectors of another space, gathered beside those that serve, which they replace in one transaction.

Theory of operation
    A staged vector says of which change of the serving one it is the successor. So what is ingested or deleted
    meanwhile shows as missing, and `switch` refuses as long as anything is. What is staged survives a crash; staging
    for another space begins anew. After the switch, a store that was opened for the old space raises
    `EmbedderChanged`.
"""

import sqlite3
from collections.abc import Sequence
from typing import Self

import numpy as np

from retrieval.embedded import schema
from retrieval.embedded import space as spaces
from retrieval.embedded.database import Database
from retrieval.embedded.faults import typed_errors
from retrieval.types import Serving, Space, Vector

_MISSING = """
    FROM vectors AS v LEFT JOIN staged_vectors AS s ON s.namespace = v.namespace AND s.passage = v.passage
    WHERE v.vector IS NOT NULL AND s.change IS NOT v.change"""
_TOTAL = "SELECT count(*) FROM vectors WHERE vector IS NOT NULL"
_NAMESPACES = "SELECT namespace, max(change) + 1 FROM vectors GROUP BY namespace"
_SWITCH = """
    UPDATE vectors SET change = ?1, vector = (
        SELECT vector FROM staged_vectors AS s WHERE s.namespace = vectors.namespace AND s.passage = vectors.passage)
    WHERE namespace = ?2 AND vector IS NOT NULL"""


class SqliteVectorStaging:
    """Open it with `await SqliteVectorStaging.open(db, space)`, where `space` is the one to come."""

    def __init__(self, db: Database, space: Space) -> None:
        self._db = db
        self._space = space

    @classmethod
    async def open(cls, db: Database, space: Space) -> Self:
        def begin(connection: sqlite3.Connection) -> None:
            values = (space.name, space.dimension)
            if connection.execute("SELECT name, dimension FROM staged_space").fetchone() != values:
                connection.execute("DELETE FROM staged_vectors")
                connection.execute("INSERT OR REPLACE INTO staged_space VALUES (1, ?, ?)", values)

        with typed_errors():
            await db.migrate("retrieval.vectors", schema.VECTORS)
            await spaces.prepare(db)
            await db.migrate("retrieval.staging", schema.STAGING)
            await db.write(begin)
        return cls(db, space)

    async def is_current(self) -> bool:
        """Whether the vectors that serve are of this space already, or there are none."""

        def run(connection: sqlite3.Connection) -> bool:
            return connection.execute(_TOTAL).fetchone() == (0,) or spaces.stored(connection) == self._space

        with typed_errors():
            return await self._db.read(run)

    async def counts(self) -> tuple[int, int]:
        """(staged, serving)."""

        def run(connection: sqlite3.Connection) -> tuple[int, int]:
            (total,) = connection.execute(_TOTAL).fetchone()
            (missing,) = connection.execute(f"SELECT count(*) {_MISSING}").fetchone()
            return total - missing, total

        with typed_errors():
            return await self._db.read(run)

    async def missing(self, limit: int) -> list[Serving]:
        """Of one namespace."""
        query = f"SELECT v.namespace, v.passage, v.change {_MISSING} ORDER BY v.namespace, v.passage LIMIT ?"
        with typed_errors():
            rows = await self._db.read(lambda connection: connection.execute(query, (limit,)).fetchall())
        found = [Serving(*row) for row in rows]
        return [one for one in found if one.namespace == found[0].namespace]

    async def stage(self, successors: Sequence[tuple[Serving, Vector | None]]) -> None:
        """None for a passage that is no more."""
        rows = [(*serving, None if vector is None else _stored(vector)) for serving, vector in successors]
        insert = "INSERT OR REPLACE INTO staged_vectors VALUES (?, ?, ?, ?)"
        with typed_errors():
            await self._db.write(lambda connection: connection.executemany(insert, rows))

    async def switch(self) -> bool:
        """The staged vectors take the place of those that serve. False, and nothing done, when some are missing."""

        def run(connection: sqlite3.Connection) -> bool:
            if connection.execute(f"SELECT 1 {_MISSING} LIMIT 1").fetchone():
                return False
            for namespace, change in connection.execute(_NAMESPACES).fetchall():
                connection.execute(_SWITCH, (change, namespace))
            spaces.put(connection, self._space)
            connection.execute("DELETE FROM staged_vectors")
            connection.execute("DELETE FROM staged_space")
            return True

        with typed_errors():
            return await self._db.write(run, durable=True)


def _stored(vector: Vector) -> bytes:
    """As `retrieval.embedded.vectors` keeps them: unit length, float16."""
    array = np.asarray(vector, dtype=np.float32)
    return (array / np.linalg.norm(array)).astype(np.float16).tobytes()
