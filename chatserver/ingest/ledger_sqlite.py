"""The ledger in a SQLite file of the data directory, shared by all processes that run jobs."""

import json
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from chatserver.ingest.ledger import Note
from retrieval.embedded.database import Database
from retrieval.embedded.faults import typed_errors

KEPT_S: Final = 7 * 86_400
"""What was paid and never stored (the job was cancelled, its documents have changed) goes after a week."""

_MEASURED: Final = 20  # ingests that an estimate is made from

_SCHEMA = (
    "CREATE TABLE paid (key TEXT PRIMARY KEY, result BLOB NOT NULL, at REAL NOT NULL) WITHOUT ROWID",
    "CREATE INDEX paid_by_time ON paid (at)",
    """CREATE TABLE seen (
        job TEXT NOT NULL, document TEXT NOT NULL, place TEXT NOT NULL, passages INTEGER,
        PRIMARY KEY (job, document)) WITHOUT ROWID""",
    "CREATE TABLE measured (id INTEGER PRIMARY KEY, size INTEGER NOT NULL, seconds REAL NOT NULL)",
)
_LOAD = "SELECT paid.key, result FROM json_each(?) CROSS JOIN paid ON paid.key = value"
_NOTED = """
    SELECT document, place, passages FROM json_each(?) CROSS JOIN seen ON job = ? AND document = value
    ORDER BY json_each.key"""


class SqliteLedger:
    """Made by `open`. A write survives the death of the process; a power cut may cost what the last seconds paid."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._db = database
        self._clock = clock

    @classmethod
    async def open(cls, path: Path, *, clock: Callable[[], float] = time.time) -> Self:
        with typed_errors():
            database = await Database.open(path)
            await database.migrate("ledger", _SCHEMA)
            old = clock() - KEPT_S
            await database.write(lambda db: db.execute("DELETE FROM paid WHERE at < ?", (old,)))
        return cls(database, clock)

    async def load(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        with typed_errors():
            return await self._db.read(lambda db: dict(db.execute(_LOAD, (json.dumps(keys),)).fetchall()))

    async def save(self, results: Mapping[str, bytes]) -> None:
        now = self._clock()
        rows = [(key, result, now) for key, result in results.items()]
        with typed_errors():
            await self._db.write(lambda db: db.executemany("INSERT OR REPLACE INTO paid VALUES (?, ?, ?)", rows))

    async def discard(self, keys: Sequence[str]) -> None:
        rows = [(key,) for key in keys]
        with typed_errors():
            await self._db.write(lambda db: db.executemany("DELETE FROM paid WHERE key = ?", rows))

    def seen(self, job: str) -> "_Seen":
        return _Seen(self._db, job)

    async def end(self, job: str) -> None:
        def run(db: sqlite3.Connection) -> None:
            db.execute("PRAGMA secure_delete=ON")
            db.execute("DELETE FROM seen WHERE job = ?", (job,))

        with typed_errors():
            await self._db.write(run)

    async def scrub(self) -> None:
        with typed_errors():
            await self._db.truncate_log()

    async def measured(self, size: int, seconds: float) -> None:
        def run(db: sqlite3.Connection) -> None:
            db.execute("INSERT INTO measured (size, seconds) VALUES (?, ?)", (size, max(seconds, 1e-3)))
            db.execute("DELETE FROM measured WHERE id <= (SELECT max(id) FROM measured) - ?", (_MEASURED,))

        with typed_errors():
            await self._db.write(run)

    async def bytes_per_s(self) -> float | None:
        query = "SELECT sum(size) / sum(seconds) FROM measured WHERE size > 0"
        with typed_errors():
            (rate,) = await self._db.read(lambda db: db.execute(query).fetchone())
        return None if rate is None else float(rate)

    async def aclose(self) -> None:
        await self._db.aclose()


class _Seen:
    def __init__(self, database: Database, job: str) -> None:
        self._db = database
        self._job = job

    async def note(self, notes: Sequence[Note]) -> list[Note]:
        rows = [(self._job, *note) for note in notes]
        asked = json.dumps([note.document for note in notes])

        def run(db: sqlite3.Connection) -> list[Note]:
            db.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?, ?, ?)", rows)
            return [Note(*row) for row in db.execute(_NOTED, (asked, self._job))]

        with typed_errors():
            return await self._db.write(run)
