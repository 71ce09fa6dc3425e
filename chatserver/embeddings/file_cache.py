"""The cache in a SQLite file, which several processes may share: what is left when Redis is down."""

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from chatserver.embeddings.packing import pack, unpack
from chatserver.embeddings.port import CacheUnavailable, Key
from retrieval.embedded.database import Database
from retrieval.types import Vector

_SCHEMA = (
    "CREATE TABLE vectors (key BLOB PRIMARY KEY, ends INTEGER NOT NULL, vector BLOB NOT NULL) WITHOUT ROWID",
    "CREATE INDEX vectors_by_end ON vectors (ends)",
)
_AT_ONCE = 500
"""Keys in one statement: below the limit of variables of every SQLite."""


class FileCache:
    """`await FileCache.open(path)`. What is past its time goes when the file is opened."""

    name = "file"

    def __init__(self, database: Database, keep_s: float, now: Callable[[], float]) -> None:
        self._database = database
        self._keep_s = keep_s
        self._now = now

    @classmethod
    async def open(cls, path: Path, *, keep_s: float, now: Callable[[], float] = time.time) -> Self:
        """Raises `CacheUnavailable`."""
        try:
            database = await Database.open(path, readers=1)
            try:
                await database.migrate("embeddings", _SCHEMA)
                await database.write(lambda sql: sql.execute("DELETE FROM vectors WHERE ends <= ?", (int(now()),)))
            except BaseException:
                await database.aclose()
                raise
        except (sqlite3.Error, OSError) as error:
            raise CacheUnavailable(str(error)) from error
        return cls(database, keep_s, now)

    async def get(self, keys: Sequence[Key]) -> dict[Key, Vector]:
        now = int(self._now())

        def run(connection: sqlite3.Connection) -> list[tuple[bytes, bytes]]:
            rows: list[tuple[bytes, bytes]] = []
            for start in range(0, len(keys), _AT_ONCE):
                some = [bytes.fromhex(key) for key in keys[start : start + _AT_ONCE]]
                marks = ",".join("?" * len(some))
                query = f"SELECT key, vector FROM vectors WHERE ends > ? AND key IN ({marks})"  # noqa: S608 - marks alone
                rows += connection.execute(query, (now, *some))
            return rows

        try:
            found = await self._database.read(run)
        except sqlite3.Error as error:
            raise CacheUnavailable(str(error)) from error
        return {key.hex(): vector for key, packed in found if (vector := unpack(packed)) is not None}

    async def put(self, vectors: Mapping[Key, Vector]) -> None:
        ends = int(self._now() + self._keep_s)
        rows = [(bytes.fromhex(key), ends, pack(vector)) for key, vector in vectors.items()]
        try:
            await self._database.write(
                lambda sql: sql.executemany("INSERT OR REPLACE INTO vectors (key, ends, vector) VALUES (?, ?, ?)", rows)
            )
        except sqlite3.Error as error:
            raise CacheUnavailable(str(error)) from error

    async def clear(self) -> None:
        def run(connection: sqlite3.Connection) -> None:
            connection.execute("PRAGMA secure_delete=ON")
            connection.execute("DELETE FROM vectors")

        try:
            await self._database.write(run)
            await self._database.truncate_log()
        except sqlite3.Error as error:
            raise CacheUnavailable(str(error)) from error

    async def aclose(self) -> None:
        await self._database.aclose()
