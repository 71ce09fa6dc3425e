"""A graph as it is looked at: a tree around its centre, of a bounded size, each branch with the words that say how it
hangs on its parent. What draws it, lists it or prints it needs no other knowledge of the graph. Pure."""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from graph.types import Edge, Node, Subgraph

# relation: what the target is to the source, what the source is to the target
_WORDS = {
    "MENTIONS": ("mentions", "mentioned in"),
    "PART_OF": ("part of", "passage"),
    "NEXT": ("next", "previous"),
    "NAMES": ("name of", "called"),
}


@dataclass(frozen=True, slots=True)
class Branch:
    """A node on the tree. `depth` counts from the centre (0), `parent` is the id of the node it hangs on, `words` tell
    how: `mentioned in`. `n` is the number that an answer gives it."""

    node: Node
    depth: int = 0
    parent: str | None = None
    words: str = ""
    n: int | None = None


@dataclass(frozen=True, slots=True)
class View:
    """`branches` depth first: the centre, then every child after its parent. `others` are the edges between them that
    are not on the tree. `complete` is False when something was left out."""

    branches: tuple[Branch, ...]
    others: tuple[Edge, ...] = ()
    complete: bool = True

    @property
    def centre(self) -> Branch:
        return self.branches[0]


class _Step(NamedTuple):
    parent: Node
    child: Node
    words: str


def around(subgraph: Subgraph, limit: int) -> View:
    """The view from the first node, of at most `limit` nodes: nearest first, and of each sort of edge as much as of
    the others. Raises ValueError for a subgraph without nodes and a limit below 1."""
    if not subgraph.nodes or limit < 1:
        raise ValueError("there is nothing to look at")
    steps = _steps(subgraph)
    taken = _taken(subgraph.nodes[0], steps, limit)
    branches = tuple(_branches(subgraph.nodes[0], taken))
    shown = {branch.node.id for branch in branches}
    on_tree = {frozenset((branch.node.id, branch.parent)) for branch in branches}
    between = [edge for edge in subgraph.edges if {edge.source, edge.target} <= shown]
    others = tuple(edge for edge in between if frozenset((edge.source, edge.target)) not in on_tree)
    return View(branches, others, len(shown) == len(subgraph.nodes))


def as_document(view: View) -> dict[str, Any]:
    """`{nodes: [{id, label, kind, depth, parent, words, n?}], edges: [{source, target, relation}], complete}`"""
    return {
        "nodes": [_node_document(branch) for branch in view.branches],
        "edges": [asdict(edge) for edge in view.others],
        "complete": view.complete,
    }


def from_document(document: Mapping[str, Any]) -> View:
    """The reverse of `as_document`. Raises KeyError and TypeError for a document of another form."""
    branches = tuple(
        Branch(
            Node(node["id"], node["label"], node["kind"]), node["depth"], node["parent"], node["words"], node.get("n")
        )
        for node in document["nodes"]
    )
    return View(branches, tuple(Edge(**edge) for edge in document["edges"]), document["complete"])


def children(view: View) -> dict[str, list[Branch]]:
    """The branches by the id of what they hang on."""
    hanging: dict[str, list[Branch]] = {branch.node.id: [] for branch in view.branches}
    for branch in view.branches[1:]:
        assert branch.parent is not None
        hanging[branch.parent].append(branch)
    return hanging


def _node_document(branch: Branch) -> dict[str, Any]:
    place = {"depth": branch.depth, "parent": branch.parent, "words": branch.words}
    return asdict(branch.node) | place | ({} if branch.n is None else {"n": branch.n})


def _steps(subgraph: Subgraph) -> dict[str, list[_Step]]:
    """The ways from each node, by its id."""
    nodes = {node.id: node for node in subgraph.nodes}
    steps: dict[str, list[_Step]] = {id: [] for id in nodes}
    for edge in subgraph.edges:
        source, target = nodes[edge.source], nodes[edge.target]
        onward, back = _WORDS.get(edge.relation) or _by_field(edge.relation)
        steps[source.id].append(_Step(source, target, onward))
        steps[target.id].append(_Step(target, source, back))
    return steps


def _by_field(field: str) -> tuple[str, str]:
    words = field.replace("_", " ")
    return f"{words} in", words


def _taken(centre: Node, steps: Mapping[str, Sequence[_Step]], limit: int) -> dict[str, list[_Step]]:
    """The steps of the tree by their parent: breadth first, in turns over the sorts of edges."""
    taken: dict[str, list[_Step]] = {}
    seen, level = {centre.id}, [centre]
    while level:
        queues = deque(iter(group) for node in level for group in _groups(steps[node.id]))
        level = []
        while queues and len(seen) < limit:
            queue = queues.popleft()
            step = next((step for step in queue if step.child.id not in seen), None)
            if step is not None:
                seen.add(step.child.id)
                taken.setdefault(step.parent.id, []).append(step)
                level.append(step.child)
                queues.append(queue)
    return taken


def _groups(steps: Iterable[_Step]) -> list[list[_Step]]:
    groups: dict[tuple[str, str], list[_Step]] = {}
    for step in steps:
        groups.setdefault((step.words, step.child.kind), []).append(step)
    return list(groups.values())


def _branches(centre: Node, taken: Mapping[str, Sequence[_Step]]) -> Iterator[Branch]:
    """Depth first; siblings together that hang on their parent by the same words, and in the order of their labels."""
    waiting = [Branch(centre)]
    while waiting:
        branch = waiting.pop()
        yield branch
        groups = _groups(taken.get(branch.node.id, ()))
        ordered = [step for group in groups for step in sorted(group, key=lambda step: _natural(step.child.label))]
        waiting += [Branch(step.child, branch.depth + 1, step.parent.id, step.words) for step in reversed(ordered)]


def _natural(label: str) -> tuple[tuple[str, int], ...]:
    """`TE-9` before `TE-10`."""
    return tuple((text.casefold(), int(digits or 0)) for text, digits in re.findall(r"([^0-9]*)([0-9]*)", label))
