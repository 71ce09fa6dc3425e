"""The `ScaleStore` in the file that holds the vectors."""

import sqlite3
from typing import Self

from retrieval.embedded.database import Database
from retrieval.embedded.faults import typed_errors
from retrieval.scale import CosineScale, Measured
from retrieval.types import Space

_TABLE = (
    """CREATE TABLE cosine_scales (
        embedder TEXT NOT NULL,
        dimension INTEGER NOT NULL,
        floor REAL NOT NULL,
        span REAL NOT NULL,
        questions INTEGER NOT NULL,
        PRIMARY KEY (embedder, dimension)
    ) WITHOUT ROWID""",
)
_GET = "SELECT floor, span, questions FROM cosine_scales WHERE embedder = ? AND dimension = ?"


class SqliteScales:
    """Open it with `await SqliteScales.open(db)`; the database is the caller's to close."""

    def __init__(self, db: Database) -> None:
        self._db = db

    @classmethod
    async def open(cls, db: Database) -> Self:
        with typed_errors():
            await db.migrate("retrieval.scales", _TABLE)
        return cls(db)

    async def get(self, space: Space) -> Measured | None:
        def run(connection: sqlite3.Connection) -> Measured | None:
            row = connection.execute(_GET, (space.name, space.dimension)).fetchone()
            return row and Measured(CosineScale(row[0], row[1]), row[2])

        with typed_errors():
            return await self._db.read(run)

    async def put(self, space: Space, measured: Measured) -> None:
        scale = measured.scale
        row = (space.name, space.dimension, scale.floor, scale.span, measured.questions)
        with typed_errors():
            await self._db.write(lambda db: db.execute("REPLACE INTO cosine_scales VALUES (?, ?, ?, ?, ?)", row))
