"""The `KeywordIndex` on SQLite's FTS5: BM25 over stems of title and text, the title weighted."""

import json
import sqlite3
from typing import Self

from retrieval import filters
from retrieval.embedded import schema
from retrieval.embedded.database import Database
from retrieval.embedded.faults import typed_errors
from retrieval.ports import Filter
from retrieval.text import MAX_WORDS, content_words, query_stems, word_stems
from retrieval.types import Frequencies, Hit

TITLE_WEIGHT = 3.0
MAX_STEMS = 64
"""Distinct stems of a question that are looked up: the first ones of a text pasted as a question."""

# FTS5's bm25() is negative, lower is better. Without a filter the passages are looked up after the cut: a common word
# stands in ten thousand of them.
_SEARCH = """
    SELECT passages.id, best.score
    FROM (SELECT rowid AS key, -bm25(keywords, 0.0, ?, 1.0) AS score FROM keywords
          WHERE keywords MATCH ? ORDER BY score DESC LIMIT ?) AS best JOIN passages USING (key)
    ORDER BY score DESC, passages.id"""
_SEARCH_FILTERED = """
    SELECT passages.id, -bm25(keywords, 0.0, ?, 1.0) AS score
    FROM keywords JOIN passages ON passages.key = keywords.rowid
    WHERE keywords MATCH ? AND {filter}
    ORDER BY score DESC, passages.id LIMIT ?"""
_FREQUENCIES = "SELECT term, doc FROM json_each(?) CROSS JOIN keyword_terms ON term = value"


class SqliteKeywordIndex:
    """Open it with `await SqliteKeywordIndex.open(db)`. `SqliteDocumentStore.put` fills it."""

    def __init__(self, db: Database) -> None:
        self._db = db

    @classmethod
    async def open(cls, db: Database) -> Self:
        with typed_errors():
            await db.migrate("retrieval.documents", schema.DOCUMENTS)
            await db.migrate("retrieval.terms", schema.TERMS)
        return cls(db)

    async def search(self, text: str, *, top_k: int, namespace: str = "", filter: Filter | None = None) -> list[Hit]:
        condition, parameters = filters.to_sql(filters.parse(filter or {}), "passages.metadata")

        def run(connection: sqlite3.Connection) -> list[Hit]:
            wanted = query_stems(text)[:MAX_STEMS]
            if not wanted:
                return []
            statement = _SEARCH_FILTERED.format(filter=condition) if filter else _SEARCH
            values = (TITLE_WEIGHT, _match(wanted, namespace), *parameters, max(0, top_k))
            return [Hit(id, score) for id, score in connection.execute(statement, values)]

        with typed_errors():
            return await self._db.read(run)

    async def frequencies(self, text: str, *, namespace: str = "") -> Frequencies:
        """A word's count is over all namespaces of the file: FTS5 keeps that one, and a share is all it is for."""

        def run(connection: sqlite3.Connection) -> Frequencies:
            found = list(dict.fromkeys(content_words(text)))[:MAX_WORDS]
            wanted = {word: word_stems(word) for word in found}
            stems = {stem for of_word in wanted.values() for stem in of_word}
            rows = connection.execute(_FREQUENCIES, (json.dumps([scope(namespace), *stems]),))
            counts: dict[str, int] = dict(rows.fetchall())
            of = {word: max(counts.get(stem, 0) for stem in of_word) for word, of_word in wanted.items()}
            return Frequencies(counts.get(scope(namespace), 0), of)

        with typed_errors():
            return await self._db.read(run)


def scope(namespace: str) -> str:
    """The word in the full-text table that stands for a namespace."""
    return f"n{namespace.encode().hex()}"


def _match(wanted: list[str], namespace: str) -> str:
    """An FTS5 expression. Stems are letters and digits only, and quoted: none is an operator."""
    any_stem = " OR ".join(f'"{stem}"' for stem in wanted)
    return f"scope : {scope(namespace)} AND {{title body}} : ({any_stem})"
