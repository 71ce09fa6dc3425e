"""The typed records in SQLite: a row of JSON each, and the fields that a collection has been seen to have."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Self

from graph.embedded.selection import select, summarise
from graph.errors import UnknownCollection
from graph.fields import TEXT, UNKNOWN, check_record, schema, widen
from graph.totals import total
from graph.types import Collection, Record, RecordKey, RecordQuery
from retrieval.embedded.database import Database
from retrieval.embedded.faults import typed_errors

_SCHEMA = (
    """CREATE TABLE record (
        namespace TEXT NOT NULL, collection TEXT NOT NULL, id TEXT NOT NULL, fields TEXT NOT NULL,
        PRIMARY KEY (namespace, collection, id))""",
    """CREATE TABLE record_field (
        namespace TEXT NOT NULL, collection TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL,
        PRIMARY KEY (namespace, collection, name))""",
    # grows with every put: tells when a collection's count and values have to be read again
    "CREATE TABLE record_change (namespace TEXT PRIMARY KEY, change INTEGER NOT NULL) WITHOUT ROWID",
)
_FEW = 50


class SqliteRecordStore:
    """Open it with `await SqliteRecordStore.open(db)`; the database is the caller's to close."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._seen: dict[str, tuple[int, Mapping[str, Collection]]] = {}

    @classmethod
    async def open(cls, db: Database) -> Self:
        with typed_errors():
            await db.migrate("records", _SCHEMA)
        return cls(db)

    async def put(self, records: Sequence[Record], *, namespace: str = "") -> None:
        for record in records:
            check_record(record)
        if records:
            with typed_errors():
                await self._db.write(lambda connection: _put(connection, namespace, records))

    async def delete(self, records: Sequence[RecordKey], *, namespace: str = "") -> list[RecordKey]:
        with typed_errors():
            return await self._db.write(lambda connection: _delete(connection, namespace, records))

    async def collections(self, *, namespace: str = "") -> Mapping[str, Collection]:
        seen = self._seen.get(namespace)

        def run(connection: sqlite3.Connection) -> tuple[int, Mapping[str, Collection]]:
            change = _change(connection, namespace)
            return seen if seen and seen[0] == change else (change, _collections(connection, namespace))

        with typed_errors():
            self._seen[namespace] = found = await self._db.read(run)
        return found[1]

    async def namespaces(self) -> list[str]:
        """Those that hold records."""
        query = "SELECT DISTINCT namespace FROM record_field ORDER BY namespace"
        with typed_errors():
            return await self._db.read(lambda connection: [name for (name,) in connection.execute(query)])

    async def page(self, collection: str, after: str, *, limit: int, namespace: str = "") -> list[Record]:
        statement = """SELECT id, fields FROM record WHERE namespace = ? AND collection = ? AND id > ?
                       ORDER BY id LIMIT ?"""

        def run(connection: sqlite3.Connection) -> list[Record]:
            rows = connection.execute(statement, (namespace, collection, after, limit))
            return [Record(collection, id, _visible(json.loads(text))) for id, text in rows]

        with typed_errors():
            return await self._db.read(run)

    async def query(self, query: RecordQuery, *, namespace: str = "") -> list[Record]:
        def run(connection: sqlite3.Connection) -> list[Record]:
            fields = _fields(connection, namespace)
            if query.collection not in fields:
                raise UnknownCollection(query.collection, get_close_matches(query.collection, fields, n=3))
            known = fields[query.collection]
            if query.aggregates:
                return [total(query, known, row) for row in connection.execute(*summarise(query, known, namespace))]
            sql, parameters = select(query, known, namespace)
            rows = connection.execute(sql, parameters)
            return [Record(query.collection, id, _visible(json.loads(text))) for id, text in rows]

        with typed_errors():
            return await self._db.read(run)


def _put(connection: sqlite3.Connection, namespace: str, records: Sequence[Record]) -> None:
    _widen(connection, namespace, schema(records))
    connection.executemany(
        "INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?)",
        [(namespace, record.collection, record.id, _encode(record)) for record in records],
    )
    connection.execute(
        "INSERT INTO record_change VALUES (?, 1) ON CONFLICT DO UPDATE SET change = change + 1", (namespace,)
    )


def _delete(connection: sqlite3.Connection, namespace: str, records: Sequence[RecordKey]) -> list[RecordKey]:
    one = "DELETE FROM record WHERE namespace = ? AND collection = ? AND id = ? RETURNING 1"
    gone = [key for key in dict.fromkeys(records) if connection.execute(one, (namespace, *key)).fetchone()]
    for collection in {key.collection for key in gone}:
        connection.execute(
            """DELETE FROM record_field WHERE namespace = :namespace AND collection = :collection AND NOT EXISTS (
                   SELECT 1 FROM record WHERE namespace = :namespace AND collection = :collection)""",
            {"namespace": namespace, "collection": collection},
        )
    if gone:
        connection.execute("UPDATE record_change SET change = change + 1 WHERE namespace = ?", (namespace,))
    return gone


def _encode(record: Record) -> str:
    """`id` lies among the fields, so that a query filters and sorts by it like by any other. Keys are not escaped:
    SQLite compares them as they are written."""
    return json.dumps({**record.fields, "id": record.id}, ensure_ascii=False, allow_nan=False)


def _visible(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != "id"}


def _widen(connection: sqlite3.Connection, namespace: str, found: Mapping[str, Mapping[str, str]]) -> None:
    known = _fields(connection, namespace)
    rows = [
        (namespace, collection, name, widen(known.get(collection, {}).get(name, UNKNOWN), type))
        for collection, fields in found.items()
        for name, type in fields.items()
    ]
    connection.executemany(
        "INSERT INTO record_field VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET type = excluded.type", rows
    )


def _fields(connection: sqlite3.Connection, namespace: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    rows = connection.execute(
        "SELECT collection, name, type FROM record_field WHERE namespace = ? ORDER BY rowid", (namespace,)
    )
    for collection, name, type in rows:
        found.setdefault(collection, {})[name] = type
    return found


def _change(connection: sqlite3.Connection, namespace: str) -> int:
    row = connection.execute("SELECT change FROM record_change WHERE namespace = ?", (namespace,)).fetchone()
    return int(row[0]) if row else 0


def _collections(connection: sqlite3.Connection, namespace: str) -> Mapping[str, Collection]:
    return {
        name: Collection(
            name,
            _count(connection, namespace, name),
            {field: TEXT if type == UNKNOWN else type for field, type in fields.items()},
            _values(connection, namespace, name, fields),
        )
        for name, fields in _fields(connection, namespace).items()
    }


def _count(connection: sqlite3.Connection, namespace: str, collection: str) -> int:
    query = "SELECT count(*) FROM record WHERE namespace = ? AND collection = ?"
    return int(connection.execute(query, (namespace, collection)).fetchone()[0])


def _values(
    connection: sqlite3.Connection, namespace: str, collection: str, fields: Mapping[str, str]
) -> Mapping[str, tuple[str, ...]]:
    found = {name: _few(connection, namespace, collection, name) for name, type in fields.items() if type == TEXT}
    return {name: values for name, values in found.items() if values}


def _few(connection: sqlite3.Connection, namespace: str, collection: str, field: str) -> tuple[str, ...]:
    """The distinct values of a field, none when they are many."""
    rows = connection.execute(
        """SELECT DISTINCT CAST(json_extract(fields, ?) AS TEXT) AS value FROM record
           WHERE namespace = ? AND collection = ? AND value IS NOT NULL ORDER BY value LIMIT ?""",
        (f'$."{field}"', namespace, collection, _FEW + 1),
    ).fetchall()
    return tuple(value for (value,) in rows) if len(rows) <= _FEW else ()
