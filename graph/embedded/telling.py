"""What the graph tells in words: which names it knows, and the edges between a few passages."""

import json
import sqlite3
from collections.abc import Sequence

from graph.embedded.writing import hub_of
from graph.types import Entity, EntityKind, Fact


def names(connection: sqlite3.Connection, namespace: str) -> list[str]:
    rows = connection.execute(
        """SELECT key FROM graph_entity WHERE namespace = ?
           AND (EXISTS (SELECT 1 FROM graph_name WHERE entity = graph_entity.id)
                OR EXISTS (SELECT 1 FROM graph_record_name WHERE entity = graph_entity.id))""",
        (namespace,),
    )
    return [key for (key,) in rows]


def entities(connection: sqlite3.Connection, namespace: str, names: Sequence[str]) -> list[Entity]:
    rows = connection.execute(
        """SELECT graph_entity.key, name,
                  EXISTS (SELECT 1 FROM graph_name WHERE entity = graph_entity.id),
                  EXISTS (SELECT 1 FROM graph_record_name WHERE entity = graph_entity.id)
           FROM json_each(?) CROSS JOIN graph_entity ON graph_entity.namespace = ? AND graph_entity.key = value
           ORDER BY json_each.id""",
        (json.dumps(list(dict.fromkeys(names))), namespace),
    )
    return [Entity(key, name, _kind(bool(title), bool(record))) for key, name, title, record in rows]


def _kind(title: bool, record: bool) -> EntityKind:
    if title:
        return "title"
    return "record" if record else "phrase"


_FACTS = """
WITH seed AS (
    SELECT passage.id, passage.key, passage.document, json_each.id AS rank
    FROM json_each(:passages) CROSS JOIN graph_passage AS passage
    ON passage.namespace = :namespace AND passage.key = value)
SELECT document.title, object.title, seed.key,
       object.id IN (SELECT document FROM seed) AS inside
FROM seed
JOIN graph_document AS document ON document.id = seed.document
JOIN graph_mention AS mention ON mention.passage = seed.id
JOIN graph_entity AS entity ON entity.id = mention.entity
JOIN graph_name AS name ON name.entity = entity.id
JOIN graph_document AS object ON object.id = name.document AND object.id <> document.id
WHERE entity.df <= :hub AND 7 * entity.plain <= 3 * entity.df
  AND (inside OR (SELECT count(*) FROM graph_name WHERE entity = mention.entity) = 1)
ORDER BY inside DESC, seed.rank, entity.df, mention.start
"""


def facts(connection: sqlite3.Connection, namespace: str, passages: Sequence[str], limit: int) -> list[Fact]:
    """Which of these passages' documents mention which other documents: first the ones among themselves."""
    rows = connection.execute(
        _FACTS,
        {"passages": json.dumps(passages), "namespace": namespace, "hub": hub_of(connection, namespace)},
    )
    found: dict[tuple[str, str], Fact] = {}
    for subject, target, source, _ in rows:
        if len(found) == limit:
            break
        found.setdefault((subject, target), Fact(subject, "mentions", target, source))
    return list(found.values())
