"""The `Library` of one SQLite file: a document and all that is kept of it in one transaction."""

import asyncio
import sqlite3
from collections.abc import Sequence
from typing import NamedTuple, Self

from graph.embedded import schema, writing
from graph.types import DocumentLinks, Whole
from retrieval.embedded import schema as tables
from retrieval.embedded import space as spaces
from retrieval.embedded.database import Database
from retrieval.embedded.documents import DocumentRows, document_rows, prepare_documents, put_documents, remove_document
from retrieval.embedded.faults import typed_errors
from retrieval.embedded.vectors import VectorRows, delete_vectors, upsert_vectors, vector_rows
from retrieval.types import Space


class SqliteLibrary:
    """Open it with `await SqliteLibrary.open(db, space)`; the database is the caller's to close. `store` raises
    `EmbedderChanged` when the file has vectors of another space, `DimensionMismatch` when they are of another
    length."""

    def __init__(self, db: Database, space: Space) -> None:
        self._db = db
        self._space = space

    @classmethod
    async def open(cls, db: Database, space: Space) -> Self:
        with typed_errors():
            await prepare_documents(db)
            await db.migrate("retrieval.vectors", tables.VECTORS)
            await spaces.prepare(db)
            await schema.prepare(db)
        return cls(db, space)

    async def store(self, wholes: Sequence[Whole], *, namespace: str = "") -> None:
        if not wholes:
            return
        rows = await asyncio.to_thread(_rows, wholes, namespace)

        def run(connection: sqlite3.Connection) -> None:
            spaces.check(connection, self._space)
            gone = put_documents(connection, namespace, rows.documents)
            delete_vectors(connection, namespace, gone)
            if rows.vectors is not None:
                upsert_vectors(connection, namespace, rows.vectors)
            writing.link(connection, namespace, rows.links)

        with typed_errors():
            await self._db.write(run)

    async def remove(self, documents: Sequence[str], *, namespace: str = "") -> list[str]:
        def run(connection: sqlite3.Connection) -> list[str]:
            there = []
            for document in documents:
                known = "SELECT 1 FROM documents WHERE namespace = ? AND id = ?"
                if connection.execute(known, (namespace, document)).fetchone():
                    there.append(document)
                delete_vectors(connection, namespace, remove_document(connection, namespace, document))
                writing.unlink(connection, namespace, document)
            return there

        with typed_errors():
            return await self._db.write(run)


class _Rows(NamedTuple):
    documents: Sequence[DocumentRows]
    vectors: VectorRows | None
    links: Sequence[DocumentLinks]


def _rows(wholes: Sequence[Whole], namespace: str) -> _Rows:
    documents = [document_rows(one.document, one.passages, one.content_hash, namespace) for one in wholes]
    passages = [passage for rows in documents for passage in rows.passages]
    vectors = [vector for one in wholes for vector in one.vectors]
    items = [(passage.id, vector, passage.metadata) for passage, vector in zip(passages, vectors, strict=True)]
    return _Rows(documents, vector_rows(items) if items else None, [one.links for one in wholes])
