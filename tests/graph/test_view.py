"""A subgraph as a bounded tree, and the names that were nearly asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.nearest import nearest_names
from graph.types import Edge, Node, Subgraph
from graph.view import around, as_document, children, from_document


def passage(id: str) -> Node:
    return Node(f"passage:{id}", id, "passage")


PUMP = Node("entity:p 101", "P-101", "entity")
DOCUMENT = Node("document:P-101", "P-101 (pump)", "document")
EVENTS = tuple(Node(f"record:Event/{n}", f"Event {n}", "record") for n in range(12))
PASSAGES = tuple(passage(f"log#{n}") for n in range(12))
BUSY = Subgraph(
    (PUMP, *PASSAGES, DOCUMENT, *EVENTS),
    (
        *(Edge(node.id, PUMP.id, "MENTIONS") for node in PASSAGES),
        Edge(PUMP.id, DOCUMENT.id, "NAMES"),
        *(Edge(PUMP.id, node.id, "component") for node in EVENTS),
        Edge(PASSAGES[0].id, PASSAGES[1].id, "NEXT"),
    ),
)

NODES = st.integers(1, 12).map(lambda count: [passage(str(n)) for n in range(count)])
RELATIONS = st.sampled_from(["MENTIONS", "NEXT", "PART_OF", "NAMES", "component"])


@st.composite
def subgraphs(draw: st.DrawFn) -> Subgraph:
    """A node and what hangs together with it, circles and double edges among them."""
    nodes = draw(NODES)
    ids = [node.id for node in nodes]
    tree = [Edge(draw(st.sampled_from(ids[:at])), ids[at], draw(RELATIONS)) for at in range(1, len(ids))]
    more = draw(st.lists(st.builds(Edge, st.sampled_from(ids), st.sampled_from(ids), RELATIONS), max_size=15))
    return Subgraph(tuple(nodes), tuple(tree + more))


@given(subgraphs(), st.integers(1, 15))
def test_a_view_is_a_tree_of_at_most_so_many_nodes(subgraph: Subgraph, limit: int) -> None:
    """Each node once, its parent before it and one nearer to the centre; other edges lie between nodes shown."""
    view = around(subgraph, limit)
    depths: dict[str, int] = {}
    for branch in view.branches:
        assert branch.node.id not in depths
        if branch.parent is not None:
            assert depths[branch.parent] == branch.depth - 1
            assert branch.words
        depths[branch.node.id] = branch.depth
    assert view.centre.node == subgraph.nodes[0]
    assert len(depths) == min(limit, len(subgraph.nodes))
    assert view.complete == (limit >= len(subgraph.nodes))
    assert {end for edge in view.others for end in (edge.source, edge.target)} <= depths.keys()
    assert sum(map(len, children(view).values())) == len(depths) - 1


@given(subgraphs(), st.integers(1, 15))
def test_a_view_survives_its_document(subgraph: Subgraph, limit: int) -> None:
    """What a program reads is all there is."""
    view = around(subgraph, limit)
    assert from_document(as_document(view)) == view


def test_a_bounded_view_shows_some_of_every_sort() -> None:
    """Neither the passages nor the records take all the places; labels stand in their natural order."""
    view = around(BUSY, 8)
    assert [branch.node.label for branch in view.branches] == [
        "P-101",
        *("log#0", "log#1", "log#2"),
        "P-101 (pump)",
        *("Event 0", "Event 1", "Event 2"),
    ]
    assert [branch.words for branch in view.branches[1:]] == ["mentioned in"] * 3 + ["name of"] + ["component in"] * 3
    assert view.others == (BUSY.edges[-1],)
    assert not view.complete


def test_numbers_are_in_their_order() -> None:
    """`Event 9` stands before `Event 10`."""
    labels = [branch.node.label for branch in around(BUSY, 50).branches]
    assert labels.index("Event 9") < labels.index("Event 10")


def test_nothing_cannot_be_looked_at() -> None:
    """A subgraph without nodes, and room for none."""
    for subgraph, limit in ((Subgraph((), ()), 5), (BUSY, 0)):
        with pytest.raises(ValueError, match="nothing"):
            around(subgraph, limit)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("P101", "p 101"),
        ("Gate P-101", "p 101"),
        ("B. Reeves Easen", "b reeves eason"),
        ("reeves eason", "b reeves eason"),
        ("Prärie King", "the prairie king"),
    ],
)
def test_the_nearest_name(name: str, nearest: str) -> None:
    """Misspelt, with a word too many, without one."""
    known = ["p 101", "p 102", "b reeves eason", "the prairie king", "mayor of reeves"]
    assert nearest_names(name, known)[0] == nearest


@given(st.text(max_size=30), st.lists(st.text("abc 1", max_size=12), max_size=20), st.integers(1, 5))
def test_nearest_names_are_known_ones(name: str, known: list[str], limit: int) -> None:
    """At most so many of those that there are, whatever is asked."""
    found = nearest_names(name, known, limit=limit)
    assert len(found) <= limit
    assert set(found) <= set(known)


def test_nothing_is_near() -> None:
    """No name is better than one that has nothing to do with it."""
    assert nearest_names("xyzzy", ["p 101", "glycol"]) == []
    assert nearest_names("!?", ["p 101"]) == []
