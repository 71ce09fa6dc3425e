"""Expansion over the graph: one recursive query, best first, bounded; then the links of each passage are put
together.

Theory of operation
    The query walks from passage to entity and from entity to passage in separate recursive terms joined by UNION:
    each step is a look-up in a covering index. (One recursive term over a UNION ALL of all edges makes SQLite build
    that union anew for every row: measured a thousand times slower.) The rows that wait are ordered by weight, and
    the walk ends after `_ROWS` of them (`_FARTHER_ROWS` when it goes farther than one hop), so that its time does not
    grow with the corpus.

    A name that stands as an ordinary word in more than three of ten passages is no link (`plain`), nor is what more
    passages than `hub` mention; a document called so is found all the same.

    `graph.weights` says what each link is worth.
"""

import json
import sqlite3
from collections.abc import Sequence

from graph.embedded.writing import passages
from graph.weights import FARTHER, NEXT, Reached, combine, hub_limit, link_weight
from retrieval.types import Hit

_ROWS = 4_000
_FARTHER_ROWS = 20_000

# CROSS JOIN keeps the given ids outside: SQLite would scan the namespace for them
_WALK = """
WITH RECURSIVE
seed (id) AS (
    SELECT passage.id FROM json_each(:passages) CROSS JOIN graph_passage AS passage
    ON passage.namespace = :namespace AND passage.key = value),
reach (kind, node, origin, entity, link, hop, weight) AS (
    SELECT 'passage', id, NULL, NULL, '', 0, 1.0 FROM seed
  UNION
    SELECT 'entity', entity.id, NULL, entity.id, 'asked', 1, 1.0
    FROM json_each(:entities) CROSS JOIN graph_entity AS entity
    ON entity.namespace = :namespace AND entity.key = value
    WHERE 7 * entity.plain <= 3 * max(entity.df, 1)
  UNION  -- a passage to what it mentions
    SELECT 'entity', mention.entity, reach.node, mention.entity, 'mention', hop + 1, weight * farther(hop)
    FROM reach JOIN graph_mention AS mention ON reach.kind = 'passage' AND mention.passage = reach.node
    JOIN graph_entity AS entity ON entity.id = mention.entity
    WHERE hop < :hops AND entity.df <= :hub AND 7 * entity.plain <= 3 * entity.df
  UNION  -- a passage to the names of its document
    SELECT 'entity', name.entity, reach.node, name.entity, 'name', hop + 1, weight * farther(hop)
    FROM reach JOIN graph_passage AS passage ON reach.kind = 'passage' AND passage.id = reach.node
    JOIN graph_name AS name ON name.document = passage.document
    JOIN graph_entity AS entity ON entity.id = name.entity
    WHERE hop < :hops AND entity.df <= :hub AND 7 * entity.plain <= 3 * entity.df
  UNION  -- an entity to the passages that mention it
    SELECT 'passage', mention.passage, reach.origin, reach.entity,
           CASE link WHEN 'asked' THEN 'mentions' WHEN 'name' THEN 'mentioned' ELSE 'shared' END, hop,
           weight * mentioned(link, entity.df)
    FROM reach JOIN graph_mention AS mention ON reach.kind = 'entity' AND mention.entity = reach.node
    JOIN graph_entity AS entity ON entity.id = reach.node
    WHERE entity.df <= :hub AND mention.passage IS NOT reach.origin
  UNION  -- an entity to the documents called so: their first passages
    SELECT 'passage', passage.id, reach.origin, reach.entity, 'title', hop,
           weight * titled((SELECT count(*) FROM graph_name WHERE entity = reach.node))
    FROM reach JOIN graph_name AS name ON reach.kind = 'entity' AND name.entity = reach.node
    JOIN graph_passage AS passage ON passage.document = name.document AND passage.position = 0
    WHERE link <> 'name' AND passage.id IS NOT reach.origin
  UNION  -- a passage to its neighbours
    SELECT 'passage', neighbour.id, reach.node, NULL,
           CASE WHEN neighbour.position > passage.position THEN 'next' ELSE 'previous' END, hop + 1,
           weight * farther(hop) * :next
    FROM reach JOIN graph_passage AS passage ON reach.kind = 'passage' AND passage.id = reach.node
    JOIN graph_passage AS neighbour ON neighbour.document = passage.document
    AND neighbour.position IN (passage.position - 1, passage.position + 1)
    WHERE hop < :hops
  ORDER BY 7 DESC LIMIT :rows)
SELECT passage.key, reach.link, reach.weight, coalesce(entity.name, ''), coalesce(origin_document.title, '')
FROM reach JOIN graph_passage AS passage ON passage.id = reach.node
LEFT JOIN graph_entity AS entity ON entity.id = reach.entity
LEFT JOIN graph_passage AS origin ON origin.id = reach.origin
LEFT JOIN graph_document AS origin_document ON origin_document.id = origin.document
WHERE reach.kind = 'passage' AND reach.hop > 0 AND reach.node NOT IN (SELECT id FROM seed)
"""

_KINDS = {"asked": "mentions", "name": "mentioned", "mention": "shared"}


def expand(
    connection: sqlite3.Connection,
    namespace: str,
    seeds: Sequence[str],
    entities: Sequence[str],
    *,
    limit: int,
    hops: int,
) -> list[Hit]:
    total = passages(connection, namespace)
    _define_weights(connection, total)
    rows = connection.execute(
        _WALK,
        {
            "namespace": namespace,
            "passages": json.dumps(seeds),
            "entities": json.dumps(entities),
            "hops": hops,
            "hub": hub_limit(total),
            "next": NEXT,
            "rows": _ROWS if hops == 1 else _FARTHER_ROWS,
        },
    )
    return combine(map(Reached._make, rows), limit)


def _define_weights(connection: sqlite3.Connection, total: int) -> None:
    def mentioned(link: str, df: int) -> float:
        return link_weight(_KINDS[link], df, total)

    def titled(documents: int) -> float:
        return link_weight("title", documents, total)

    def farther(hop: int) -> float:
        return 1.0 if hop == 0 else FARTHER

    connection.create_function("mentioned", 2, mentioned, deterministic=True)
    connection.create_function("titled", 1, titled, deterministic=True)
    connection.create_function("farther", 1, farther, deterministic=True)
