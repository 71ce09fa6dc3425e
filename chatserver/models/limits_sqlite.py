"""The `LimitsStore` in the file that holds the passages: who copies the one copies the other."""

import sqlite3
from dataclasses import astuple
from typing import Self

from chatserver.models.limits import Measured
from chatserver.models.weights import Limits
from retrieval.embedded.database import Database
from retrieval.embedded.faults import typed_errors

_TABLE = (
    """CREATE TABLE answer_limits (
        namespace TEXT PRIMARY KEY,
        refuse_below REAL NOT NULL,
        partly_below REAL NOT NULL,
        passages INTEGER NOT NULL,
        measured_by TEXT NOT NULL
    ) WITHOUT ROWID""",
)
_GET = "SELECT refuse_below, partly_below, passages, measured_by FROM answer_limits WHERE namespace = ?"


class SqliteLimits:
    """Open it with `await SqliteLimits.open(db)`; the database is the caller's to close."""

    def __init__(self, db: Database) -> None:
        self._db = db

    @classmethod
    async def open(cls, db: Database) -> Self:
        with typed_errors():
            await db.migrate("answers.limits", _TABLE)
        return cls(db)

    async def get(self, namespace: str) -> Measured | None:
        def run(connection: sqlite3.Connection) -> Measured | None:
            row = connection.execute(_GET, (namespace,)).fetchone()
            return row and Measured(Limits(row[0], row[1]), row[2], row[3])

        with typed_errors():
            return await self._db.read(run)

    async def put(self, namespace: str, measured: Measured) -> None:
        row = (namespace, *astuple(measured.limits), measured.passages, measured.by)
        with typed_errors():
            await self._db.write(lambda db: db.execute("REPLACE INTO answer_limits VALUES (?, ?, ?, ?, ?)", row))
