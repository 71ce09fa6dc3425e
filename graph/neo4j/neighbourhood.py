"""A subgraph around one node, breadth first: one statement a hop."""

from collections.abc import Iterator, Sequence
from itertools import chain, groupby, zip_longest
from typing import Any, NamedTuple

from graph.names import fold_name
from graph.neo4j.port import Row, Run
from graph.neo4j.queries import query
from graph.types import Edge, Node, NodeKind, Subgraph

_KINDS: tuple[NodeKind, ...] = ("entity", "document", "passage", "record")


class _Found(NamedTuple):
    """A node: the server's id of it, then what it is called by."""

    ref: str
    kind: NodeKind
    key: str
    collection: str | None
    name: str | None
    title: str | None
    position: int | None

    def node(self) -> Node:
        match self.kind:
            case "passage":
                return Node(f"passage:{self.key}", f"{self.title} #{(self.position or 0) + 1}", "passage")
            case "record":
                return Node(f"record:{self.collection}/{self.key}", f"{self.collection} {self.key}", "record")
            case _:
                return Node(f"{self.kind}:{self.key}", self.name or self.title or self.key, self.kind)


async def around(read: Run, namespace: str, centre: str, *, hops: int, limit: int) -> Subgraph:
    found = await read(query("find"), {"namespace": namespace, "wanted": _wanted(centre)}) if limit > 0 else []
    if not found:
        return Subgraph((), ())
    start = _Found(*found[0])
    nodes = {start.ref: start.node()}
    edges: dict[Edge, None] = {}
    frontier = [start.ref]
    for _ in range(hops):
        rows = await read(query("neighbours"), {"frontier": frontier, "limit": limit}) if frontier else []
        following: list[str] = []
        for at, relation, out, other in _in_turns(rows):
            if other.ref not in nodes and len(nodes) < limit:
                nodes[other.ref] = other.node()
                following.append(other.ref)
            if other.ref in nodes:
                here, there = nodes[frontier[at]].id, nodes[other.ref].id
                edges[Edge(here, there, relation) if out else Edge(there, here, relation)] = None
        frontier = following
    return Subgraph(tuple(nodes.values()), tuple(edges))


def _in_turns(rows: Sequence[Row]) -> Iterator[tuple[int, str, bool, _Found]]:
    """At each node the edges of its sorts in turns, so that the many of one sort leave room for the others."""
    for at, of_node in groupby(rows, key=lambda row: row[0]):
        sorts = [list(of_sort) for _, of_sort in groupby(of_node, key=lambda row: row[1])]
        for row in filter(None, chain.from_iterable(zip_longest(*sorts))):
            yield at, row[2], row[3], _Found(*row[4:])


def _wanted(centre: str) -> list[dict[str, Any]]:
    """What a centre may mean, the likeliest first; a record's id may be parted at any slash."""
    prefix, colon, rest = centre.partition(":")
    meant = [(prefix, rest)] if colon and prefix in _KINDS else [(kind, centre) for kind in _KINDS]
    return [
        {"kind": kind, "key": fold_name(key) if kind == "entity" else key, "splits": _splits(key)}
        for kind, key in meant
    ]


def _splits(key: str) -> Sequence[tuple[str, str]]:
    return [(key[:at], key[at + 1 :]) for at, letter in enumerate(key) if letter == "/"]
