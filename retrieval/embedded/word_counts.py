"""In how many passages a stem stands, and how many passages there are."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import NamedTuple

_KEPT = 50_000

_SIZE = """
    SELECT coalesce(sum(passages), 0), coalesce(sum(passages) FILTER (WHERE namespace = ?), 0),
           (SELECT max(key) FROM passages)
    FROM passage_counts WHERE passages > 0"""
_COUNTS = "SELECT term, doc FROM json_each(?) CROSS JOIN {terms} ON term = value"


class Size(NamedTuple):
    """The passages of all namespaces, and of the one asked for. `last` grows with every passage that comes."""

    total: int
    own: int
    last: int | None


class WordCounts:
    """FTS5 reads a stem's whole list to count it, a millisecond for a question's words among 25,000 passages. So what
    was counted is kept until passages come or go. That a stem stands nowhere is not kept: a share that is a little
    stale does no harm, a word that is not looked up does."""

    def __init__(self, terms: str = "keyword_terms") -> None:
        """`terms` is the vocabulary of a full-text table."""
        self._statement = _COUNTS.format(terms=terms)
        self._of: tuple[int, int | None] = (0, None)
        self._known: dict[str, int] = {}

    def size(self, connection: sqlite3.Connection, namespace: str) -> Size:
        return Size(*connection.execute(_SIZE, (namespace,)).fetchone())

    def counts(self, connection: sqlite3.Connection, stems: Iterable[str], size: Size) -> Mapping[str, int]:
        """For all namespaces together; stems that stand nowhere have 0."""
        wanted = set(stems)
        if self._of != (size.total, size.last) or len(self._known) > _KEPT:
            self._of, self._known = (size.total, size.last), {}
        known = self._known  # another thread may begin a new one
        if missing := wanted - known.keys():
            known.update(connection.execute(self._statement, (json.dumps(sorted(missing)),)).fetchall())
        return {stem: known.get(stem, 0) for stem in wanted}
