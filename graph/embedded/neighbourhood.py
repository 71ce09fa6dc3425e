"""A subgraph around one node, breadth first."""

import sqlite3
from collections.abc import Iterator
from itertools import zip_longest
from typing import NamedTuple

from graph.names import fold_name
from graph.types import Edge, Node, NodeKind, Subgraph


class _Ref(NamedTuple):
    kind: NodeKind
    id: int


class _Edge(NamedTuple):
    source: _Ref
    target: _Ref
    relation: str


# The edges at one node: (kind, column of the node) -> query giving the other node and the relation. `out` tells
# whether the edge leaves the node.
_EDGES: tuple[tuple[NodeKind, NodeKind, bool, str], ...] = (
    ("document", "passage", False, "SELECT id, 'PART_OF' FROM graph_passage WHERE document = ? ORDER BY position"),
    ("passage", "document", True, "SELECT document, 'PART_OF' FROM graph_passage WHERE id = ?"),
    (
        "passage",
        "passage",
        True,
        """SELECT after.id, 'NEXT' FROM graph_passage AS this JOIN graph_passage AS after
           ON after.document = this.document AND after.position = this.position + 1 WHERE this.id = ?""",
    ),
    (
        "passage",
        "passage",
        False,
        """SELECT before.id, 'NEXT' FROM graph_passage AS this JOIN graph_passage AS before
           ON before.document = this.document AND before.position = this.position - 1 WHERE this.id = ?""",
    ),
    (
        "passage",
        "entity",
        True,
        """SELECT entity, 'MENTIONS' FROM graph_mention JOIN graph_entity ON graph_entity.id = entity
           WHERE passage = ? ORDER BY df, entity""",
    ),
    ("entity", "passage", False, "SELECT passage, 'MENTIONS' FROM graph_mention WHERE entity = ?"),
    ("entity", "document", True, "SELECT document, 'NAMES' FROM graph_name WHERE entity = ?"),
    ("document", "entity", False, "SELECT entity, 'NAMES' FROM graph_name WHERE document = ?"),
    ("entity", "record", True, "SELECT record, field FROM graph_record_name WHERE entity = ?"),
    ("record", "entity", False, "SELECT entity, field FROM graph_record_name WHERE record = ?"),
)

_NODE: dict[NodeKind, str] = {
    "document": "SELECT key, title FROM graph_document WHERE id = ?",
    "passage": """SELECT passage.key, document.title || ' #' || (position + 1) FROM graph_passage AS passage
                  JOIN graph_document AS document ON document.id = document WHERE passage.id = ?""",
    "entity": "SELECT key, name FROM graph_entity WHERE id = ?",
    "record": "SELECT collection || '/' || key, collection || ' ' || key FROM graph_record WHERE id = ?",
}

_FIND: dict[NodeKind, str] = {
    "entity": "SELECT id FROM graph_entity WHERE namespace = ? AND key = ?",
    "document": "SELECT id FROM graph_document WHERE namespace = ? AND key = ?",
    "passage": "SELECT id FROM graph_passage WHERE namespace = ? AND key = ?",
    "record": "SELECT id FROM graph_record WHERE namespace = ? AND collection || '/' || key = ?",
}


def around(connection: sqlite3.Connection, namespace: str, centre: str, *, hops: int, limit: int) -> Subgraph:
    start = _find(connection, namespace, centre)
    if start is None or limit < 1:
        return Subgraph((), ())
    reached = {start: None}
    edges: dict[_Edge, None] = {}
    frontier = [start]
    for _ in range(hops):
        following: list[_Ref] = []
        for node in frontier:
            for other, edge in _edges_at(connection, node, limit):
                if other not in reached and len(reached) < limit:
                    reached[other] = None
                    following.append(other)
                if other in reached:
                    edges[edge] = None
        frontier = following
    nodes = {ref: _node(connection, ref) for ref in reached}
    return Subgraph(
        tuple(nodes.values()),
        tuple(Edge(nodes[edge.source].id, nodes[edge.target].id, edge.relation) for edge in edges),
    )


def _find(connection: sqlite3.Connection, namespace: str, centre: str) -> _Ref | None:
    prefix, colon, rest = centre.partition(":")
    wanted = [(prefix, rest)] if colon and prefix in _FIND else [(kind, centre) for kind in _FIND]
    for kind, key in wanted:
        key = fold_name(key) if kind == "entity" else key
        row = connection.execute(_FIND[kind], (namespace, key)).fetchone()
        if row is not None:
            return _Ref(kind, row[0])
    return None


def _edges_at(connection: sqlite3.Connection, node: _Ref, limit: int) -> Iterator[tuple[_Ref, _Edge]]:
    """In turns, so that the many edges of one sort leave room for the others."""
    sorts = [
        _edges(connection.execute(f"{query} LIMIT ?", (node.id, limit)), node, other, out)
        for kind, other, out, query in _EDGES
        if kind == node.kind
    ]
    for turn in zip_longest(*sorts):
        yield from filter(None, turn)


def _edges(rows: sqlite3.Cursor, node: _Ref, kind: NodeKind, out: bool) -> Iterator[tuple[_Ref, _Edge]]:
    for id, relation in rows:
        other = _Ref(kind, id)
        yield other, _Edge(node, other, relation) if out else _Edge(other, node, relation)


def _node(connection: sqlite3.Connection, ref: _Ref) -> Node:
    key, label = connection.execute(_NODE[ref.kind], (ref.id,)).fetchone()
    return Node(f"{ref.kind}:{key}", label, ref.kind)
