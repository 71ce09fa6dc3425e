"""The typed records in Neo4j."""

import json
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from graph.errors import UnknownCollection
from graph.fields import TEXT, UNKNOWN, check_record, schema, widen
from graph.neo4j.port import Database, Run
from graph.neo4j.properties import properties_of, selection, summary
from graph.neo4j.queries import query
from graph.neo4j.writing import Writing, record_rows, write
from graph.totals import total
from graph.types import Collection, Record, RecordKey, RecordQuery

Fields = dict[str, dict[str, str]]
_FEW = 50
_AT_ONCE = 2_000


class Neo4jRecordStore:
    """A node for each record, the one that the graph links; the fields of a collection on a node of its own. The
    database is the caller's to close."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._seen: dict[str, tuple[int, Mapping[str, Collection]]] = {}

    async def put(self, records: Sequence[Record], *, namespace: str = "") -> None:
        for record in records:
            check_record(record)
        if not records:
            return

        async def work(_: Writing, run: Run) -> None:
            await _widen(run, namespace, schema(records))
            latest = {(record.collection, record.id): record for record in records}
            rows = [_row(record, namespace) for record in latest.values()]
            for start in range(0, len(rows), _AT_ONCE):
                parameters = {"namespace": namespace, "rows": rows[start : start + _AT_ONCE]}
                await run(query("put_records"), parameters)

        await write(self._db, namespace, work)

    async def delete(self, records: Sequence[RecordKey], *, namespace: str = "") -> list[RecordKey]:
        gone: list[RecordKey] = []

        async def work(_: Writing, run: Run) -> None:
            gone.clear()  # a transaction that is tried again begins anew
            rows = record_rows(records)
            for start in range(0, len(rows), _AT_ONCE):
                parameters = {"namespace": namespace, "rows": rows[start : start + _AT_ONCE]}
                gone.extend(RecordKey(*row) for row in await run(query("delete_records"), parameters))
            names = sorted({key.collection for key in gone})
            await run(query("drop_collections"), {"namespace": namespace, "names": names})

        if records:
            await write(self._db, namespace, work)
        return gone

    async def collections(self, *, namespace: str = "") -> Mapping[str, Collection]:
        change, fields = _schema(await self._db.read(query("fields"), {"namespace": namespace}))
        seen = self._seen.get(namespace)
        if seen is None or seen[0] != change:
            found = {name: await self._collection(name, of_one, namespace) for name, of_one in fields.items()}
            self._seen[namespace] = seen = change, found
        return seen[1]

    async def namespaces(self) -> list[str]:
        return [name for (name,) in await self._db.read(query("record_namespaces"), {})]

    async def page(self, collection: str, after: str, *, limit: int, namespace: str = "") -> list[Record]:
        parameters = {"namespace": namespace, "collection": collection, "after": after, "limit": limit}
        rows = await self._db.read(query("page_records"), parameters)
        return [Record(collection, key, json.loads(text)) for key, text in rows]

    async def query(self, query_: RecordQuery, *, namespace: str = "") -> list[Record]:
        _, fields = _schema(await self._db.read(query("fields"), {"namespace": namespace}))
        if query_.collection not in fields:
            raise UnknownCollection(query_.collection, get_close_matches(query_.collection, fields, n=3))
        if query_.aggregates:
            return await self._totals(query_, fields[query_.collection], namespace)
        parameters = selection(query_, fields[query_.collection])
        rows = await self._db.read(query("select_records"), {"namespace": namespace, **parameters})
        return [Record(query_.collection, key, json.loads(text)) for key, text in rows]

    async def _totals(self, query_: RecordQuery, fields: Mapping[str, str], namespace: str) -> list[Record]:
        parameters = summary(query_, fields)
        rows = [row for (row,) in await self._db.read(query("total_records"), {"namespace": namespace, **parameters})]
        if not rows and not query_.groups and query_.limit > 0:  # a total of no records
            rows = [[0 if aggregate.function == "count" else None for aggregate in query_.aggregates]]
        return [total(query_, fields, row) for row in rows]

    async def _collection(self, name: str, fields: Mapping[str, str], namespace: str) -> Collection:
        texts = [field for field, type in fields.items() if type == TEXT]
        parameters = {
            "namespace": namespace,
            "collection": name,
            "properties": [f"text.{field}" for field in texts],
            "few": _FEW,
        }
        ((count, values),) = await self._db.read(query("collection"), parameters)
        few = {field: tuple(sorted(of_one)) for field, of_one in zip(texts, values, strict=True)}
        return Collection(
            name,
            count,
            {field: TEXT if type == UNKNOWN else type for field, type in fields.items()},
            {field: of_one for field, of_one in few.items() if 0 < len(of_one) <= _FEW},
        )


def _schema(rows: Sequence[Sequence[Any]]) -> tuple[int, Fields]:
    """How often records were put, and each collection's fields in their order."""
    if not rows:
        return 0, {}
    change, collections = rows[0]
    return change, {name: json.loads(fields) for name, fields in collections if name is not None}


async def _widen(run: Run, namespace: str, found: Mapping[str, Mapping[str, str]]) -> None:
    _, known = _schema(await run(query("fields"), {"namespace": namespace}))
    rows = [
        {"name": name, "position": len(known) + at, "fields": json.dumps(_wider(known.get(name, {}), fields))}
        for at, (name, fields) in enumerate(found.items())
    ]
    await run(query("widen"), {"namespace": namespace, "rows": rows})


def _wider(known: Mapping[str, str], found: Mapping[str, str]) -> dict[str, str]:
    return {**known, **{name: widen(known.get(name, UNKNOWN), type) for name, type in found.items()}}


def _row(record: Record, namespace: str) -> dict[str, Any]:
    own = {
        "namespace": namespace,
        "collection": record.collection,
        "key": record.id,
        "fields": json.dumps(dict(record.fields), ensure_ascii=False, allow_nan=False),
    }
    return {
        "collection": record.collection,
        "key": record.id,
        "properties": {**properties_of({**record.fields, "id": record.id}), **own},
    }
