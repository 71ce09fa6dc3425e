"""The `KeywordIndex` on SQLite's FTS5: BM25 over stems of title and text, the title weighted; for Dutch questions also
over runs of letters, so that compounds are found by their parts."""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple, Self

from retrieval import filters
from retrieval.embedded import schema
from retrieval.embedded.database import Database
from retrieval.embedded.faults import typed_errors
from retrieval.embedded.word_counts import Size, WordCounts
from retrieval.ports import Filter
from retrieval.text import MAX_WORDS, content_words, dutch_grams, language, query_stems, word_stems
from retrieval.types import Frequencies, Hit

TITLE_WEIGHT = 3.0
GRAM_WEIGHT = 0.5
"""Of BM25 over runs of letters, beside BM25 over stems. Of the 24 Dutch questions of `tests/sample/test_dutch.py` the
stems alone put the right passage first for 14 and among three for 22; with weights from 0.2 to 1.2, 17 to 20 and 24."""
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
    FROM (SELECT rowid AS key, {score} AS score FROM {table}
          WHERE {table} MATCH ? ORDER BY score DESC LIMIT ?) AS best JOIN passages USING (key)
    ORDER BY score DESC, passages.id"""
_SEARCH_FILTERED = """
    SELECT passages.id, {score} AS score
    FROM {table} JOIN passages ON passages.key = {table}.rowid
    WHERE {table} MATCH ? AND {filter}
    ORDER BY score DESC, passages.id LIMIT ?"""


class _Table(NamedTuple):
    """A full-text table: how it scores a passage, in which columns it is searched, and its words' counts."""

    name: str
    score: str
    columns: str
    terms: str


_STEMS = _Table("keywords", f"-bm25(keywords, 0.0, {TITLE_WEIGHT}, 1.0)", "title body", "keyword_terms")
_GRAMS = _Table("keyword_grams", f"{GRAM_WEIGHT} * -bm25(keyword_grams, 0.0, 1.0)", "grams", "keyword_gram_terms")


class SqliteKeywordIndex:
    """Open it with `await SqliteKeywordIndex.open(db)`. `SqliteDocumentStore.put` fills it."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._counts = {table: WordCounts(table.terms) for table in (_STEMS, _GRAMS)}

    @classmethod
    async def open(cls, db: Database) -> Self:
        with typed_errors():
            await db.migrate("retrieval.documents", schema.DOCUMENTS)
            await db.migrate("retrieval.terms", schema.TERMS)
            await db.migrate("retrieval.counts", schema.COUNTS)
            await db.migrate("retrieval.grams", schema.GRAMS)
        return cls(db)

    async def search(self, text: str, *, top_k: int, namespace: str = "", filter: Filter | None = None) -> list[Hit]:
        condition, parameters = filters.to_sql(filters.parse(filter or {}), "passages.metadata")

        def scored(
            connection: sqlite3.Connection, table: _Table, wanted: Sequence[str], size: Size
        ) -> list[tuple[str, float]]:
            if not filter:
                wanted = self._telling(connection, table, wanted, size)
            template = _SEARCH_FILTERED if filter else _SEARCH
            statement = template.format(table=table.name, score=table.score, filter=condition)
            match = _match(table, wanted, namespace if size.own < size.total else None)
            return connection.execute(statement, (match, *parameters, max(0, top_k))).fetchall()

        def run(connection: sqlite3.Connection) -> list[Hit]:
            wanted = query_stems(text)[:MAX_STEMS]
            if not wanted:
                return []
            size = self._counts[_STEMS].size(connection, namespace)
            found = scored(connection, _STEMS, wanted, size)
            if language(text) == "nl" and (runs := list(dict.fromkeys(dutch_grams(text)))[:MAX_STEMS]):
                found = _added(found, scored(connection, _GRAMS, runs, size))[: max(0, top_k)]
            return [Hit(id, score) for id, score in found]

        with typed_errors():
            return await self._db.read(run)

    async def frequencies(self, text: str, *, namespace: str = "") -> Frequencies:
        """A word's count is over all namespaces of the file: FTS5 keeps that one, and a share is all it is for."""

        def run(connection: sqlite3.Connection) -> Frequencies:
            found = list(dict.fromkeys(content_words(text)))[:MAX_WORDS]
            wanted = {word: word_stems(word) for word in found}
            known = self._counts[_STEMS]
            size = known.size(connection, namespace)
            counts = known.counts(connection, (stem for stems in wanted.values() for stem in stems), size)
            return Frequencies(size.own, {word: max(counts[stem] for stem in stems) for word, stems in wanted.items()})

        with typed_errors():
            return await self._db.read(run)

    def _telling(
        self, connection: sqlite3.Connection, table: _Table, stems: Sequence[str], size: Size
    ) -> Sequence[str]:
        """The rarest of them that have some `RANKED` passages of the namespace together."""
        if size.own <= RANKED:
            return stems
        counts = self._counts[table].counts(connection, stems, size)
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


def _added(found: Sequence[tuple[str, float]], further: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """The sums by passage, best first, ties by id."""
    scores = dict(found)
    for id, score in further:
        scores[id] = scores.get(id, 0.0) + score
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))


def _match(table: _Table, wanted: Sequence[str], namespace: str | None) -> str:
    """An FTS5 expression; None for the namespace where there is no other. Stems are letters and digits only, and
    quoted: none is an operator."""
    any_stem = f"{{{table.columns}}} : (" + " OR ".join(f'"{stem}"' for stem in wanted) + ")"
    return any_stem if namespace is None else f"scope : {scope(namespace)} AND {any_stem}"
