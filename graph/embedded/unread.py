"""Names that came late or went: which passages contain their words.

A passage that mentions a new name already had it as a phrase, and keeps it. But for two cases: the longest name takes
the place of those inside it (`Slow River` of `River`), so a passage that has one of these is read again; and a name
that went gives that place back.

Passages of the linker that has announced a name were linked with it. Where there are none of others, as in an ingest
into an empty namespace, nothing is looked up at all.
"""

import json
import sqlite3
from collections.abc import Iterable
from functools import cache, partial
from typing import NamedTuple, TypeAlias

from graph.embedded.writing import hub_of
from graph.types import Unread
from retrieval.embedded.keywords import scope

Parameters: TypeAlias = tuple[str | int, ...] | dict[str, int]

_INSIDE = """
SELECT mention.passage FROM json_each(?) CROSS JOIN graph_mention AS mention ON mention.passage = value
WHERE mention.entity IN (
    SELECT id FROM graph_entity WHERE namespace = ? AND key IN (SELECT value FROM json_each(?)))"""
_NAMES = """
SELECT entity.id, entity.key, announced.linker,
       EXISTS (SELECT 1 FROM graph_name WHERE entity = entity.id)
       OR EXISTS (SELECT 1 FROM graph_record_name WHERE entity = entity.id)
FROM graph_unread CROSS JOIN graph_entity AS entity ON entity.id = graph_unread.entity
LEFT JOIN graph_announced AS announced ON announced.namespace = entity.namespace AND announced.key = entity.key
WHERE graph_unread.namespace = ? ORDER BY graph_unread.entity LIMIT ?"""
# CROSS JOIN and NOT INDEXED: from the few unread to their entities, from the last passage down
_LAST_BY_OTHERS = """
SELECT max(id) FROM graph_passage NOT INDEXED WHERE namespace = ?1 AND (?2 IS NULL OR linker IS NOT ?2)"""
_KNOWN = """
SELECT passage FROM graph_plain WHERE entity = :entity
UNION SELECT passage.id FROM graph_name AS called JOIN graph_passage AS passage ON passage.document = called.document
      WHERE called.entity = :entity"""


class _Name(NamedTuple):
    """A name that is not settled. `linker` has announced it: the passages that it has linked need not be read again.
    `called`: something is called so, now."""

    entity: int
    key: str
    linker: str | None
    called: bool


def unread(connection: sqlite3.Connection, namespace: str, limit: int) -> tuple[list[str], list[Unread]]:
    names = [_Name(*row) for row in connection.execute(_NAMES, (namespace, limit))]
    hub, among = hub_of(connection, namespace), _among(connection, namespace)
    last_by_others = cache(partial(_last_by_others, connection, namespace))
    passages: set[int] = set()
    for name in names:
        last = last_by_others(name.linker if name.called else None)
        containing = _containing(connection, f'{among}text : "{name.key}"', last, hub + 1) if last else set()
        if containing and len(containing) <= hub:
            passages |= containing - _settled(connection, namespace, name, containing)
    return [name.key for name in names], list(_texts(connection, sorted(passages)))


def _last_by_others(connection: sqlite3.Connection, namespace: str, linker: str | None) -> int:
    """The last passage of those that were linked by others, or of all; 0 when there are none."""
    (last,) = connection.execute(_LAST_BY_OTHERS, (namespace, linker)).fetchone()
    return last or 0


def _among(connection: sqlite3.Connection, namespace: str) -> str:
    """What narrows a match to the namespace: nothing where there is no other, for every passage has that word."""
    others = "SELECT EXISTS (SELECT 1 FROM graph_size WHERE passages > 0 AND namespace <> ?)"
    return f"scope : {scope(namespace)} AND " if _tells(connection, others, (namespace,)) else ""


def _containing(connection: sqlite3.Connection, match: str, last: int, limit: int) -> set[int]:
    # a folded name has letters, digits and spaces only: nothing of FTS5's syntax
    query = "SELECT rowid FROM graph_text WHERE graph_text MATCH ? AND rowid <= ? LIMIT ?"
    return _ids(connection, query, (match, last, limit))


def _settled(connection: sqlite3.Connection, namespace: str, name: _Name, containing: set[int]) -> set[int]:
    """The passages for which it changes nothing that this is a name: of the ones that contain it those that mention it
    and no name inside it; those that know it as an ordinary word or belong to a document of this name. None, when
    nothing is called so any more."""
    if not name.called:
        return set()
    mentioning = containing & _ids(connection, "SELECT passage FROM graph_mention WHERE entity = ?", (name.entity,))
    if mentioning and " " in name.key:
        mentioning -= _ids(connection, _INSIDE, (json.dumps([*mentioning]), namespace, json.dumps(_inside(name.key))))
    return mentioning | _ids(connection, _KNOWN, {"entity": name.entity})


def _inside(name: str) -> list[str]:
    """The shorter runs of its words."""
    words = name.split()
    runs = [words[start:end] for start in range(len(words)) for end in range(start + 1, len(words) + 1)]
    return [" ".join(run) for run in runs if len(run) < len(words)]


def _tells(connection: sqlite3.Connection, question: str, parameters: Parameters) -> bool:
    return bool(connection.execute(question, parameters).fetchone()[0])


def _ids(connection: sqlite3.Connection, query: str, parameters: Parameters) -> set[int]:
    return {id for (id,) in connection.execute(query, parameters)}


def _texts(connection: sqlite3.Connection, passages: Iterable[int]) -> Iterable[Unread]:
    for passage in passages:
        key, title, text = connection.execute(
            """SELECT passage.key, document.title, graph_text.text FROM graph_passage AS passage
               JOIN graph_document AS document ON document.id = passage.document
               JOIN graph_text ON graph_text.rowid = passage.id WHERE passage.id = ?""",
            (passage,),
        ).fetchone()
        yield Unread(key, title, text)
