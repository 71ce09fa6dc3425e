"""The `VectorStore` in SQLite: float16 on disk, an exact search in memory.

Theory of operation
    Every upsert and delete gives the rows that it touches the namespace's next change number; a deletion is a row
    without a vector. Each process keeps a matrix of a namespace and the highest change that it has seen; a search
    first reads the changes after that one (none, usually: a look into an index), so that what any process has
    committed is found by the next search of every other.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Self

import numpy as np

from retrieval import filters
from retrieval.embedded import schema
from retrieval.embedded import space as spaces
from retrieval.embedded.database import Database
from retrieval.embedded.faults import typed_errors
from retrieval.embedded.matrix import Float32, Matrix
from retrieval.embedded.metadata import encode
from retrieval.errors import DimensionMismatch, Permanent
from retrieval.ports import Filter
from retrieval.types import Hit, Metadata, Space, Vector

_FETCH = 4_096  # rows read at a time: bounds what lies in memory twice while a namespace is loaded

_UPSERT = """
    INSERT INTO vectors (namespace, change, passage, metadata, vector) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (namespace, passage) DO UPDATE
    SET change = excluded.change, metadata = excluded.metadata, vector = excluded.vector"""
_DELETE = """
    UPDATE vectors SET change = ?, metadata = '{}', vector = NULL
    WHERE namespace = ? AND passage = ? AND vector IS NOT NULL"""
_CHANGES = "SELECT change, passage, vector FROM vectors WHERE namespace = ? AND change > ? ORDER BY change"
_NEXT_CHANGE = "SELECT coalesce(max(change), 0) + 1 FROM vectors WHERE namespace = ?"
_KNOWN = "SELECT 1 FROM vectors WHERE namespace = ? LIMIT 1"
_VECTOR = "SELECT vector FROM vectors WHERE namespace = ? AND passage = ? AND vector IS NOT NULL"
_STORED_BYTES = "SELECT length(vector) FROM vectors WHERE namespace = ? AND vector IS NOT NULL LIMIT 1"


class SqliteVectorStore:
    """Open it with `await SqliteVectorStore.open(db)`; the database is the caller's to close. With a `space` it takes
    and searches vectors of that one only: `open`, `upsert` and `search` raise `EmbedderChanged` when the file has
    others, also when another process put them there (`retrieval.embedded.staging`).

    A namespace has one dimension, that of its first vector, for as long as it has any. In memory it takes
    4 bytes x dimension for each vector (25 MB for 25,000 of 256), and twice that at most while it grows."""

    def __init__(self, db: Database, space: Space | None = None) -> None:
        self._db = db
        self._space = space
        self._replicas: dict[str, _Replica] = {}
        self._opening = threading.Lock()

    @classmethod
    async def open(cls, db: Database, space: Space | None = None) -> Self:
        with typed_errors():
            await db.migrate("retrieval.vectors", schema.VECTORS)
            await spaces.prepare(db)
            if space is not None:
                await db.write(lambda connection: spaces.claim(connection, space))
        return cls(db, space)

    async def upsert(self, items: Sequence[tuple[str, Vector, Metadata]], *, namespace: str = "") -> None:
        if not items:
            return
        rows = await asyncio.to_thread(lambda: vector_rows([(id, vector, encode(of)) for id, vector, of in items]))

        def run(connection: sqlite3.Connection) -> None:
            self._check_space(connection)
            upsert_vectors(connection, namespace, rows)

        with typed_errors():
            await self._db.write(run)

    async def delete(self, passages: Sequence[str], *, namespace: str = "") -> None:
        with typed_errors():
            await self._db.write(lambda connection: delete_vectors(connection, namespace, passages))

    async def search(
        self, vector: Vector, *, top_k: int, namespace: str = "", filter: Filter | None = None
    ) -> list[Hit]:
        query = _unit(vector)
        condition = filters.parse(filter) if filter else None

        def run(connection: sqlite3.Connection) -> list[Hit]:
            self._check_space(connection)
            replica = self._replica(connection, namespace)
            if replica is None:
                return []
            among = None if condition is None else _matching(connection, namespace, condition)
            found = replica.search(connection, query, top_k, among)
            return [Hit(passage, score) for passage, score in found]

        with typed_errors():
            return await self._db.read(run) if top_k > 0 else []

    def _check_space(self, connection: sqlite3.Connection) -> None:
        if self._space is not None:
            spaces.check(connection, self._space)

    async def fetch(self, passages: Sequence[str], *, namespace: str = "") -> dict[str, Vector]:
        """Of unit length, as near as float16 comes."""

        def run(connection: sqlite3.Connection) -> dict[str, bytes]:
            rows = (connection.execute(_VECTOR, (namespace, passage)).fetchone() for passage in passages)
            return {passage: row[0] for passage, row in zip(passages, rows, strict=True) if row is not None}

        with typed_errors():
            found = await self._db.read(run)
        return {passage: np.frombuffer(data, np.float16).astype(np.float32).tolist() for passage, data in found.items()}

    def _replica(self, connection: sqlite3.Connection, namespace: str) -> "_Replica | None":
        """None for a namespace that never held a vector: names that callers make up must not take memory."""
        with self._opening:
            if namespace not in self._replicas and connection.execute(_KNOWN, (namespace,)).fetchone():
                self._replicas[namespace] = _Replica(namespace)
            return self._replicas.get(namespace)


class _Replica:
    """What this process has seen of one namespace."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._seen = 0
        self._matrix: Matrix | None = None
        self._busy = threading.Lock()

    def search(
        self, connection: sqlite3.Connection, query: Float32, top_k: int, among: Iterable[str] | None
    ) -> list[tuple[str, float]]:
        with self._busy:
            self._refresh(connection)
            if not self._matrix:
                return []
            if len(query) != self._matrix.dimension:
                raise DimensionMismatch(f"{len(query)} dimensions asked, {self._matrix.dimension} stored")
            return self._matrix.search(query, top_k, among)

    def _refresh(self, connection: sqlite3.Connection) -> None:
        changes = connection.execute(_CHANGES, (self._namespace, self._seen))
        seen = self._seen
        while rows := changes.fetchmany(_FETCH):
            self._drop([passage for _, passage, vector in rows if vector is None])
            self._put([(passage, vector) for _, passage, vector in rows if vector is not None])
            seen = rows[-1][0]
        self._seen = seen  # last: one change may span two fetches, and an error between them

    def _drop(self, passages: list[str]) -> None:
        if self._matrix is not None:
            for passage in passages:
                self._matrix.drop(passage)

    def _put(self, changed: list[tuple[str, bytes]]) -> None:
        if not changed:
            return
        joined = np.frombuffer(b"".join(vector for _, vector in changed), dtype=np.float16)
        vectors = joined.reshape(len(changed), -1)
        if self._matrix is None or self._matrix.dimension != vectors.shape[1]:
            self._matrix = Matrix(vectors.shape[1])  # another dimension: the namespace was emptied in between
        self._matrix.put([passage for passage, _ in changed], vectors)


class VectorRows(NamedTuple):
    """Vectors of one dimension as they go into the table."""

    dimension: int
    rows: Sequence[tuple[str, str, bytes]]


def upsert_vectors(connection: sqlite3.Connection, namespace: str, vectors: VectorRows) -> None:
    """Raises `DimensionMismatch`."""
    _check_dimension(connection, namespace, vectors.dimension)
    (change,) = connection.execute(_NEXT_CHANGE, (namespace,)).fetchone()
    connection.executemany(_UPSERT, [(namespace, change, *row) for row in vectors.rows])


def delete_vectors(connection: sqlite3.Connection, namespace: str, passages: Sequence[str]) -> None:
    (change,) = connection.execute(_NEXT_CHANGE, (namespace,)).fetchone()
    connection.executemany(_DELETE, [(change, namespace, passage) for passage in passages])


def vector_rows(items: Sequence[tuple[str, Vector, str]]) -> VectorRows:
    """Of passages, their vectors and encoded metadata. Raises `DimensionMismatch`, and `Permanent` for a vector that is
    not finite or zero."""
    dimensions = {len(vector) for _, vector, _ in items}
    if len(dimensions) > 1:
        raise DimensionMismatch(f"vectors of {sorted(dimensions)} dimensions in one call")
    halves = _units([vector for _, vector, _ in items]).astype(np.float16)
    rows = [(passage, metadata, half.tobytes()) for (passage, _, metadata), half in zip(items, halves, strict=True)]
    return VectorRows(dimensions.pop(), rows)


def _unit(vector: Vector) -> Float32:
    unit: Float32 = _units([vector])[0]
    return unit


def _units(vectors: Sequence[Vector]) -> Float32:
    """(vectors, dimension), each of length 1."""
    array: Float32 = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(array, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or not lengths.all():
        raise Permanent("a vector must be finite and not zero")
    units: Float32 = array / lengths
    return units


def _check_dimension(connection: sqlite3.Connection, namespace: str, dimension: int) -> None:
    row = connection.execute(_STORED_BYTES, (namespace,)).fetchone()
    if row is not None and row[0] != 2 * dimension:
        raise DimensionMismatch(f"{dimension} dimensions given, {row[0] // 2} stored")


def _matching(connection: sqlite3.Connection, namespace: str, condition: filters.Condition) -> list[str]:
    sql, parameters = filters.to_sql(condition, "metadata")
    query = f"SELECT passage FROM vectors WHERE namespace = ? AND vector IS NOT NULL AND {sql}"
    return [passage for (passage,) in connection.execute(query, (namespace, *parameters))]
