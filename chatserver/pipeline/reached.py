"""How the sources of an answer were reached, as a tree around its question. Pure.

A passage hangs on the question when a search leg put it among its first; else on the passage that a link led from,
with the name between them that is mentioned. Every other way to it is an edge beside the tree.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any, TypeAlias

from graph.names import fold_name
from graph.types import Edge, Node
from graph.view import Branch, View

_FIRST = 10
"""What a leg put among its first so many was found by that leg itself."""
_LEGS = {"vector": "meaning", "keyword": "words", "graph": "names"}
_NEIGHBOURS = {"next": "next chunk", "previous": "previous chunk"}
# kind of link: what the name is to the source, what the passage is to the name
_OVER = {
    "title": ("mentions", "name of"),
    "mentioned": ("called", "mentioned in"),
    "shared": ("mentions", "mentioned in"),
}
Told: TypeAlias = Mapping[str, Any]
"""A passage of `data-retrieval`, a record of `data-records` (see `chatserver.pipeline.told`)."""


def reached(question: str, passages: Sequence[Told], records: Sequence[Told] = ()) -> View:
    """The tree; an answer from before links were told has all its passages on the question."""
    tree = _Tree(Node("question", question, "question"))
    waiting: list[Told] = []
    for passage in passages:
        if words := _found_by(passage, _FIRST):
            tree.hang("question", _node(passage), words, passage["n"])
        else:
            waiting.append(passage)
    while waiting:
        unplaced = {passage["id"] for passage in waiting}
        # in a circle of links none is ready: the best of them then hangs on the question
        ready = next((passage for passage in waiting if _leads_from_outside(passage, unplaced)), None)
        passage = ready or waiting[0]
        if ready:
            _hang_by_link(tree, passage)
        else:
            words = _found_by(passage, None) or "; ".join(passage.get("why", ()))
            tree.hang("question", _node(passage), words, passage["n"])
        waiting.remove(passage)
    taken = {passage["n"] for passage in passages}
    free = (n for n in count(1) if n not in taken)  # a later step numbers its passages on after the records
    for n, record in zip(free, records, strict=False):
        id, label = f"record:{record['collection']}/{record['id']}", f"{record['collection']} {record['id']}"
        tree.hang("question", Node(id, label, "record"), "fields", n)
    for passage in passages:
        tree.link(passage)
    return tree.view()


class _Tree:
    def __init__(self, root: Node) -> None:
        self._root = root
        self._branches = {root.id: Branch(root)}
        self._hanging: dict[str, list[str]] = {root.id: []}
        self._others: list[Edge] = []

    def __contains__(self, id: str) -> bool:
        return id in self._branches

    def hang(self, parent: str, node: Node, words: str, n: int | None = None) -> None:
        """Once; a node that hangs already gets an edge beside the tree."""
        if node.id in self._branches:
            if self._branches[node.id].parent != parent:
                self._others.append(Edge(parent, node.id, words))
            return
        self._branches[node.id] = Branch(node, self._branches[parent].depth + 1, parent, words, n)
        self._hanging[parent].append(node.id)
        self._hanging[node.id] = []

    def link(self, passage: Told) -> None:
        """The link to a passage that was found without it, as an edge beside the tree."""
        via, target = passage.get("via"), f"passage:{passage['id']}"
        if via and self._branches[target].parent == self._root.id and f"passage:{via['source']}" in self._branches:
            words = _NEIGHBOURS.get(via["kind"]) or f"over «{via['name']}»"
            self._others.append(Edge(f"passage:{via['source']}", target, words))

    def view(self) -> View:
        return View(tuple(self._depth_first()), tuple(self._others))

    def _depth_first(self) -> Iterator[Branch]:
        waiting = [self._root.id]
        while waiting:
            id = waiting.pop()
            yield self._branches[id]
            waiting += reversed(self._hanging[id])


def _hang_by_link(tree: _Tree, passage: Told) -> None:
    via = passage["via"]
    source = f"passage:{via['source']}"
    if source not in tree:  # a source of links need not be a source of the answer
        tree.hang("question", Node(source, via["title"], "passage"), "found, not used")
    if via["kind"] in _NEIGHBOURS:
        tree.hang(source, _node(passage), _NEIGHBOURS[via["kind"]], passage["n"])
        return
    to_name, onward = _OVER[via["kind"]]
    name = Node(f"entity:{fold_name(via['name'])}", via["name"], "entity")
    tree.hang(source, name, to_name)
    tree.hang(name.id, _node(passage), onward, passage["n"])


def _leads_from_outside(passage: Told, unplaced: set[str]) -> bool:
    via = passage.get("via")
    return via is not None and via["source"] not in unplaced


def _node(passage: Told) -> Node:
    return Node(f"passage:{passage['id']}", passage["title"], "passage")


def _found_by(passage: Told, first: int | None) -> str:
    """`1st by words, 3rd by meaning`: its places in the legs, the best first; with `first` only those up to it."""
    ranks = sorted(passage.get("ranks", {}).items(), key=lambda rank: rank[1])
    return ", ".join(
        f"{_ordinal(rank)} by {_LEGS.get(leg, leg)}" for leg, rank in ranks if first is None or rank <= first
    )


def _ordinal(n: int) -> str:
    teen = 10 < n % 100 < 14
    return f"{n}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th')}"
