"""The `DocumentStore` in SQLite. It also feeds the full-text table that `keywords` searches."""

import asyncio
import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

from retrieval.embedded import schema
from retrieval.embedded.database import Database
from retrieval.embedded.faults import typed_errors
from retrieval.embedded.keywords import scope
from retrieval.embedded.metadata import decode, encode
from retrieval.text import dutch_grams, language_of, stems, stems_of, words_again
from retrieval.types import Document, Passage

_MANY = 500  # ids in one statement: within SQLite's limit of parameters, whatever it was compiled with

# The first passage of each of so many equal shares, by the index alone.
_SPREAD = """
    SELECT min(id) FROM (SELECT id, ntile(?) OVER (ORDER BY id) AS share FROM passages WHERE namespace = ?)
    GROUP BY share ORDER BY share LIMIT ?"""

_KNOWN = """
    SELECT documents.id FROM json_each(?) CROSS JOIN documents ON namespace = ? AND documents.id = value"""
_INSERT_PASSAGE = "INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_LAST_KEY = "SELECT coalesce(max(key), 0) FROM passages"
_NOTE_LEFT = "INSERT OR IGNORE INTO left_passages VALUES (?, ?)"
_FORGET_LEFT = "DELETE FROM left_passages WHERE namespace = ? AND passage = ?"
_INSERT_KEYWORDS = "INSERT INTO keywords (rowid, scope, title, body) VALUES (?, ?, ?, ?)"
_INSERT_GRAMS = "INSERT INTO keyword_grams (rowid, scope, grams) VALUES (?, ?, ?)"


class SqliteDocumentStore:
    """Open it with `await SqliteDocumentStore.open(db)`; the database is the caller's to close."""

    def __init__(self, db: Database) -> None:
        self._db = db

    @classmethod
    async def open(cls, db: Database) -> Self:
        with typed_errors():
            await prepare_documents(db)
        return cls(db)

    async def content_hashes(self, documents: Sequence[str], *, namespace: str = "") -> dict[str, str]:
        query = """SELECT documents.id, content_hash FROM json_each(?) CROSS JOIN documents
                   ON namespace = ? AND documents.id = value"""
        with typed_errors():
            return await self._db.read(
                lambda connection: dict(connection.execute(query, (json.dumps(documents), namespace)).fetchall())
            )

    async def put(
        self, document: Document, passages: Sequence[Passage], content_hash: str, *, namespace: str = ""
    ) -> None:
        rows = await asyncio.to_thread(document_rows, document, passages, content_hash, namespace)
        with typed_errors():
            await self._db.write(lambda connection: _put(connection, namespace, rows))

    async def delete(self, document: str, *, namespace: str = "") -> Sequence[str]:
        def run(connection: sqlite3.Connection) -> list[str]:
            gone = remove_document(connection, namespace, document)
            connection.executemany(_NOTE_LEFT, [(namespace, passage) for passage in gone])
            return gone

        with typed_errors():
            return await self._db.write(run)

    async def left_behind(self, *, limit: int, namespace: str = "") -> list[str]:
        query = "SELECT passage FROM left_passages WHERE namespace = ? LIMIT ?"
        with typed_errors():
            return await self._db.read(
                lambda connection: [passage for (passage,) in connection.execute(query, (namespace, limit))]
            )

    async def forget_left(self, passages: Sequence[str], *, namespace: str = "") -> None:
        rows = [(namespace, passage) for passage in passages]
        with typed_errors():
            await self._db.write(lambda connection: connection.executemany(_FORGET_LEFT, rows))

    async def passages(self, ids: Sequence[str], *, namespace: str = "") -> list[Passage]:
        def run(connection: sqlite3.Connection) -> dict[str, Passage]:
            found: dict[str, Passage] = {}
            for start in range(0, len(ids), _MANY):
                found |= _select(connection, namespace, ids[start : start + _MANY])
            return found

        with typed_errors():
            found = await self._db.read(run)
        return [found[id] for id in ids if id in found]

    async def sample(self, size: int, *, namespace: str = "") -> list[Passage]:
        def run(connection: sqlite3.Connection) -> list[Passage]:
            found = connection.execute(_SPREAD, (size, namespace, size))
            ids = [id for (id,) in found]
            chosen = _select(connection, namespace, ids)
            return [chosen[id] for id in ids]

        with typed_errors():
            return await self._db.read(run)

    async def namespaces(self) -> list[str]:
        """Those that hold documents."""
        query = "SELECT DISTINCT namespace FROM documents ORDER BY namespace"
        with typed_errors():
            return await self._db.read(lambda connection: [name for (name,) in connection.execute(query)])

    async def page(self, after: str, *, limit: int, namespace: str = "") -> list[tuple[Document, list[Passage]]]:
        """Up to `limit` documents whose ids come behind `after`, in the order of ids, with their passages but without
        their own text. No id comes before ""."""

        def run(connection: sqlite3.Connection) -> list[tuple[Document, list[Passage]]]:
            query = "SELECT id, title, metadata FROM documents WHERE namespace = ? AND id > ? ORDER BY id LIMIT ?"
            documents = connection.execute(query, (namespace, after, limit)).fetchall()
            return [
                (Document(id, title, "", decode(metadata)), _of_document(connection, namespace, id))
                for id, title, metadata in documents
            ]

        with typed_errors():
            return await self._db.read(run)

    async def count(self, *, namespace: str = "") -> Mapping[str, int]:
        def run(connection: sqlite3.Connection) -> Mapping[str, int]:
            query = """SELECT (SELECT count(*) FROM documents WHERE namespace = ?1),
                              (SELECT count(*) FROM passages WHERE namespace = ?1)"""
            documents, passages = connection.execute(query, (namespace,)).fetchone()
            return {"documents": documents, "passages": passages}

        with typed_errors():
            return await self._db.read(run)


async def prepare_documents(db: Database) -> None:
    """Makes the tables."""
    await db.migrate("retrieval.documents", schema.DOCUMENTS)
    await db.migrate("retrieval.left", schema.LEFT)
    await db.migrate("retrieval.grams", schema.GRAMS)


class PassageRow(NamedTuple):
    id: str
    row: tuple[Any, ...]
    words: "_Words"

    @property
    def metadata(self) -> str:
        """Encoded."""
        return str(self.row[-1])


class DocumentRows(NamedTuple):
    """A document as it goes into the tables. Stemming is the costly part: it is done before the write, so that it
    holds up neither loop nor writer."""

    document: str
    head: tuple[str, ...]
    passages: Sequence[PassageRow]


def document_rows(document: Document, passages: Sequence[Passage], content_hash: str, namespace: str) -> DocumentRows:
    head = (namespace, document.id, document.title, encode(document.metadata), content_hash)
    title = _Title()
    rows = [PassageRow(p.id, _row(p, namespace), _words(p, namespace, title.stems(p.title))) for p in passages]
    return DocumentRows(document.id, head, rows)


def put_documents(connection: sqlite3.Connection, namespace: str, documents: Sequence[DocumentRows]) -> list[str]:
    """Take the place of what there was of these documents; the passages that are no more. No id is given twice."""
    known = connection.execute(_KNOWN, (json.dumps([rows.document for rows in documents]), namespace)).fetchall()
    before = [id for (document,) in known for id in remove_document(connection, namespace, document)]
    connection.executemany("INSERT INTO documents VALUES (?, ?, ?, ?, ?)", [rows.head for rows in documents])
    (last,) = connection.execute(_LAST_KEY).fetchone()
    keyed = list(enumerate((passage for rows in documents for passage in rows.passages), last + 1))
    connection.executemany(_INSERT_PASSAGE, [(key, *row) for key, (_, row, _) in keyed])
    connection.executemany(
        _INSERT_KEYWORDS, [(key, words.scope, words.title, words.body) for key, (_, _, words) in keyed]
    )
    connection.executemany(
        _INSERT_GRAMS, [(key, words.scope, words.grams) for key, (_, _, words) in keyed if words.grams]
    )
    now = {id for _, (id, _, _) in keyed}
    return [id for id in before if id not in now]


def _put(connection: sqlite3.Connection, namespace: str, rows: DocumentRows) -> None:
    gone = put_documents(connection, namespace, [rows])
    connection.executemany(_NOTE_LEFT, [(namespace, passage) for passage in gone])
    connection.executemany(_FORGET_LEFT, [(namespace, passage) for passage, _, _ in rows.passages])


class _Title:
    """The stems of the title before: passages of one document have one."""

    def __init__(self) -> None:
        self._last = ("", "")

    def stems(self, title: str) -> str:
        if title != self._last[0]:
            self._last = (title, " ".join(stems(title)))
        return self._last[1]


def _row(passage: Passage, namespace: str) -> tuple[Any, ...]:
    place = (passage.index, passage.start, passage.end)
    texts = (passage.id, passage.document, passage.title, passage.text)
    return (namespace, *texts, *place, encode(passage.metadata))


class _Words(NamedTuple):
    """A passage in the full-text tables."""

    scope: str
    title: str
    body: str
    grams: str
    """Empty for what is not Dutch."""


def _words(passage: Passage, namespace: str, title: str) -> _Words:
    found = words_again(passage.text)
    own = language_of(found)
    grams = dutch_grams(f"{passage.title} {passage.text}") if own == "nl" else ()
    return _Words(scope(namespace), title, " ".join(stems_of(found, own)), " ".join(grams))


def remove_document(connection: sqlite3.Connection, namespace: str, document: str) -> list[str]:
    """The passages that went; none for an unknown document."""
    query = "SELECT key, id FROM passages WHERE namespace = ? AND document = ? ORDER BY position"
    gone = connection.execute(query, (namespace, document)).fetchall()
    keys = [(key,) for key, _ in gone]
    connection.executemany("DELETE FROM keywords WHERE rowid = ?", keys)
    connection.executemany("DELETE FROM keyword_grams WHERE rowid = ?", keys)
    connection.executemany("DELETE FROM passages WHERE key = ?", keys)
    connection.execute("DELETE FROM documents WHERE namespace = ? AND id = ?", (namespace, document))
    return [id for _, id in gone]


def _of_document(connection: sqlite3.Connection, namespace: str, document: str) -> list[Passage]:
    query = "SELECT id FROM passages WHERE namespace = ? AND document = ? ORDER BY position"
    ids = [id for (id,) in connection.execute(query, (namespace, document))]
    found: dict[str, Passage] = {}
    for start in range(0, len(ids), _MANY):
        found |= _select(connection, namespace, ids[start : start + _MANY])
    return [found[id] for id in ids]


def _select(connection: sqlite3.Connection, namespace: str, ids: Sequence[str]) -> dict[str, Passage]:
    marks = ", ".join("?" * len(ids))
    query = f"""SELECT id, document, title, text, position, start_at, end_at, metadata
                FROM passages WHERE namespace = ? AND id IN ({marks})"""
    rows = connection.execute(query, (namespace, *ids))
    return {
        id: Passage(id, document, title, text, position, start, end, decode(metadata))
        for id, document, title, text, position, start, end, metadata in rows
    }
