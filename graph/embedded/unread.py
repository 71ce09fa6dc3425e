"""Names that came late: which earlier passages contain their words."""

import sqlite3
from collections.abc import Iterable

from graph.embedded.writing import hub_of
from graph.types import Unread
from retrieval.embedded.keywords import scope


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
            passages |= containing - _linked(connection, entity)
    return [key for _, key in names], list(_texts(connection, sorted(passages)))


def _containing(connection: sqlite3.Connection, namespace: str, name: str, limit: int) -> set[int]:
    # a folded name has letters, digits and spaces only: nothing of FTS5's syntax
    rows = connection.execute(
        "SELECT rowid FROM graph_text WHERE graph_text MATCH ? LIMIT ?",
        (f'scope : {scope(namespace)} AND text : "{name}"', limit),
    )
    return {id for (id,) in rows}


def _linked(connection: sqlite3.Connection, entity: int) -> set[int]:
    """The passages that mention it, know it as an ordinary word, or belong to a document of this name."""
    rows = connection.execute(
        """SELECT passage FROM graph_mention WHERE entity = :entity
           UNION SELECT passage FROM graph_plain WHERE entity = :entity
           UNION SELECT passage.id FROM graph_name AS name
                 JOIN graph_passage AS passage ON passage.document = name.document WHERE name.entity = :entity""",
        {"entity": entity},
    )
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
