"""Names that came late or went: which passages contain their words.

A passage that mentions a new name already had it as a phrase, and keeps it. But for two cases: the longest name takes
the place of those inside it (`Slow River` of `River`), so a passage that has one of these is read again; and a name
that went gives that place back.
"""

import sqlite3
from collections.abc import Iterable

from graph.embedded.writing import hub_of
from graph.types import Unread
from retrieval.embedded.keywords import scope

_SETTLED = """
WITH name (entity, key) AS (
    SELECT id, key FROM graph_entity WHERE id = :entity
    AND (EXISTS (SELECT 1 FROM graph_name WHERE entity = id)
         OR EXISTS (SELECT 1 FROM graph_record_name WHERE entity = id)))
SELECT passage FROM name JOIN graph_mention AS mention ON mention.entity = name.entity
WHERE NOT EXISTS (
    SELECT 1 FROM graph_mention AS beside JOIN graph_entity AS inside ON inside.id = beside.entity
    WHERE beside.passage = mention.passage AND inside.id <> name.entity
    AND instr(' ' || name.key || ' ', ' ' || inside.key || ' '))
UNION SELECT passage FROM name JOIN graph_plain AS plain ON plain.entity = name.entity
UNION SELECT passage.id FROM name JOIN graph_name AS called ON called.entity = name.entity
      JOIN graph_passage AS passage ON passage.document = called.document
"""


def unread(connection: sqlite3.Connection, namespace: str, limit: int) -> tuple[list[str], list[Unread]]:
    names = connection.execute(
        """SELECT entity.id, entity.key FROM graph_unread JOIN graph_entity AS entity ON entity.id = entity
           WHERE graph_unread.namespace = ? ORDER BY entity.id LIMIT ?""",
        (namespace, limit),
    ).fetchall()
    hub = hub_of(connection, namespace)
    passages: set[int] = set()
    for entity, key in names:
        containing = _containing(connection, namespace, key, hub + 1)
        if len(containing) <= hub:
            passages |= containing - _settled(connection, entity)
    return [key for _, key in names], list(_texts(connection, sorted(passages)))


def _containing(connection: sqlite3.Connection, namespace: str, name: str, limit: int) -> set[int]:
    # a folded name has letters, digits and spaces only: nothing of FTS5's syntax
    rows = connection.execute(
        "SELECT rowid FROM graph_text WHERE graph_text MATCH ? LIMIT ?",
        (f'scope : {scope(namespace)} AND text : "{name}"', limit),
    )
    return {id for (id,) in rows}


def _settled(connection: sqlite3.Connection, entity: int) -> set[int]:
    """The passages for which it changes nothing that this is a name: those that mention it and no name inside it, know
    it as an ordinary word, or belong to a document of this name. None, when nothing is called so any more."""
    rows = connection.execute(_SETTLED, {"entity": entity})
    return {id for (id,) in rows}


def _texts(connection: sqlite3.Connection, passages: Iterable[int]) -> Iterable[Unread]:
    for passage in passages:
        key, title, text = connection.execute(
            """SELECT passage.key, document.title, graph_text.text FROM graph_passage AS passage
               JOIN graph_document AS document ON document.id = passage.document
               JOIN graph_text ON graph_text.rowid = passage.id WHERE passage.id = ?""",
            (passage,),
        ).fetchone()
        yield Unread(key, title, text)
