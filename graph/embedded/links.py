"""The links of a few passages, each with its kind, name and place: one statement, every step a look-up in an index."""

import json
import sqlite3
from collections.abc import Sequence

from graph.embedded.writing import passages
from graph.weights import NEAR, hub_limit, link_weight
from retrieval.types import Link

_ROWS = 6_000

# CROSS JOIN keeps the given ids outside: SQLite would scan the namespace for them
_LINKS = """
WITH
seed (id, key, document, position) AS MATERIALIZED (
    SELECT passage.id, passage.key, passage.document, passage.position
    FROM json_each(:passages) CROSS JOIN graph_passage AS passage
    ON passage.namespace = :namespace AND passage.key = value),
mention (id, key, entity, name, df, place) AS MATERIALIZED (
    SELECT seed.id, seed.key, entity.id, entity.name, entity.df, mention.start
    FROM seed CROSS JOIN graph_mention AS mention ON mention.passage = seed.id
    JOIN graph_entity AS entity ON entity.id = mention.entity
    WHERE entity.df <= :hub AND 7 * entity.plain <= 3 * entity.df)
SELECT mention.key, target.key, 'title', mention.name, mention.place,
       (SELECT count(*) FROM graph_name WHERE entity = mention.entity)
FROM mention JOIN graph_name AS name ON name.entity = mention.entity
JOIN graph_passage AS target ON target.document = name.document AND target.position = 0
WHERE target.id <> mention.id
UNION ALL
SELECT seed.key, target.key, 'mentioned', entity.name, there.start, entity.df
FROM seed CROSS JOIN graph_name AS name ON name.document = seed.document
JOIN graph_entity AS entity ON entity.id = name.entity
JOIN graph_mention AS there ON there.entity = entity.id
JOIN graph_passage AS target ON target.id = there.passage
WHERE entity.df <= :near AND 7 * entity.plain <= 3 * entity.df
UNION ALL
SELECT seed.key, target.key, CASE WHEN target.position > seed.position THEN 'next' ELSE 'previous' END, '', -1, 1
FROM seed CROSS JOIN graph_passage AS target ON target.document = seed.document
AND target.position IN (seed.position - 1, seed.position + 1)
UNION ALL
SELECT mention.key, target.key, 'shared', mention.name, mention.place, mention.df
FROM mention JOIN graph_mention AS there ON there.entity = mention.entity
JOIN graph_passage AS target ON target.id = there.passage
WHERE mention.df <= :near AND target.id <> mention.id
LIMIT :rows
"""


def links(connection: sqlite3.Connection, namespace: str, seeds: Sequence[str]) -> list[Link]:
    total = passages(connection, namespace)
    parameters = {
        "namespace": namespace,
        "passages": json.dumps(list(dict.fromkeys(seeds))),
        "hub": hub_limit(total),
        "near": NEAR,
        "rows": _ROWS,
    }
    return [
        Link(source, target, kind, link_weight(kind, count, total), name, at)
        for source, target, kind, name, at, count in connection.execute(_LINKS, parameters)
    ]
