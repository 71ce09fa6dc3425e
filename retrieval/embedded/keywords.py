"""The `KeywordIndex` on SQLite's FTS5: BM25 over stems of title and text, the title weighted."""

import sqlite3
from collections.abc import Sequence
from typing import Self

from retrieval import filters
from retrieval.embedded import schema
from retrieval.embedded.database import Database
from retrieval.embedded.faults import typed_errors
from retrieval.embedded.word_counts import Size, WordCounts
from retrieval.ports import Filter
from retrieval.text import MAX_WORDS, content_words, query_stems, word_stems
from retrieval.types import Frequencies, Hit

TITLE_WEIGHT = 3.0
MAX_STEMS = 64
"""Distinct stems of a question that are looked up: the first ones of a text pasted as a question."""

RANKED = 6_000
"""Passages that a question without a filter has ranked, about: in a larger namespace its most common words are left
out. BM25 of a row costs ten times what finding it does, and tells least for such words: among 25,000 passages a third
of the time, with the recall of gold passages the same within a point."""
_SURELY = 2  # the rarest stems, looked up however common they are

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


class SqliteKeywordIndex:
    """Open it with `await SqliteKeywordIndex.open(db)`. `SqliteDocumentStore.put` fills it."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._counts = WordCounts()

    @classmethod
    async def open(cls, db: Database) -> Self:
        with typed_errors():
            await db.migrate("retrieval.documents", schema.DOCUMENTS)
            await db.migrate("retrieval.terms", schema.TERMS)
            await db.migrate("retrieval.counts", schema.COUNTS)
        return cls(db)

    async def search(self, text: str, *, top_k: int, namespace: str = "", filter: Filter | None = None) -> list[Hit]:
        condition, parameters = filters.to_sql(filters.parse(filter or {}), "passages.metadata")

        def run(connection: sqlite3.Connection) -> list[Hit]:
            wanted: Sequence[str] = query_stems(text)[:MAX_STEMS]
            if not wanted:
                return []
            size = self._counts.size(connection, namespace)
            if not filter:
                wanted = self._telling(connection, wanted, size)
            statement = _SEARCH_FILTERED.format(filter=condition) if filter else _SEARCH
            match = _match(wanted, namespace if size.own < size.total else None)
            values = (TITLE_WEIGHT, match, *parameters, max(0, top_k))
            return [Hit(id, score) for id, score in connection.execute(statement, values)]

        with typed_errors():
            return await self._db.read(run)

    async def frequencies(self, text: str, *, namespace: str = "") -> Frequencies:
        """A word's count is over all namespaces of the file: FTS5 keeps that one, and a share is all it is for."""

        def run(connection: sqlite3.Connection) -> Frequencies:
            found = list(dict.fromkeys(content_words(text)))[:MAX_WORDS]
            wanted = {word: word_stems(word) for word in found}
            size = self._counts.size(connection, namespace)
            counts = self._counts.counts(connection, (stem for stems in wanted.values() for stem in stems), size)
            return Frequencies(size.own, {word: max(counts[stem] for stem in stems) for word, stems in wanted.items()})

        with typed_errors():
            return await self._db.read(run)

    def _telling(self, connection: sqlite3.Connection, stems: Sequence[str], size: Size) -> Sequence[str]:
        """The rarest stems that have some `RANKED` passages of the namespace together."""
        if size.own <= RANKED:
            return stems
        counts = self._counts.counts(connection, stems, size)
        kept: list[str] = []
        rows = 0.0
        for stem in sorted((stem for stem in stems if counts[stem]), key=lambda stem: counts[stem]):
            rows += counts[stem] * size.own / size.total
            if len(kept) >= _SURELY and rows > RANKED:
                break
            kept.append(stem)
        return kept or stems


def scope(namespace: str) -> str:
    """The word in the full-text table that stands for a namespace."""
    return f"n{namespace.encode().hex()}"


def _match(wanted: Sequence[str], namespace: str | None) -> str:
    """An FTS5 expression; None for the namespace where there is no other. Stems are letters and digits only, and
    quoted: none is an operator."""
    any_stem = "{title body} : (" + " OR ".join(f'"{stem}"' for stem in wanted) + ")"
    return any_stem if namespace is None else f"scope : {scope(namespace)} AND {any_stem}"
