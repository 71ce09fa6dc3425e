"""A view as a picture and as a page of its own."""

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from graph.drawing import html, svg
from graph.layout import LABEL_AT, Place, layout
from graph.types import Edge, Node, NodeKind
from graph.view import Branch, View

SVG = "{http://www.w3.org/2000/svg}"
KINDS: st.SearchStrategy[NodeKind] = st.sampled_from(["document", "passage", "entity", "record"])
HOSTILE = '</title><script>alert(1)</script>" onload="x'


@st.composite
def views(draw: st.DrawFn) -> View:
    """Any tree, depth first, with siblings of the same words side by side, and any labels."""
    label, words = st.text(max_size=60), st.sampled_from(["mentions", "mentioned in", "x" * 30])
    branches = [Branch(Node("0", draw(label), "question"))]

    def grow(parent: Branch, left: int) -> None:
        for told in sorted(draw(st.lists(words, max_size=4))):
            node = Node(str(len(branches)), draw(label), draw(KINDS))
            branch = Branch(node, parent.depth + 1, parent.node.id, told, draw(st.none() | st.integers(1, 99)))
            branches.append(branch)
            if left:
                grow(branch, left - 1)

    grow(branches[0], 2)
    ids = st.sampled_from([branch.node.id for branch in branches])
    others = draw(st.lists(st.builds(Edge, ids, ids, st.text(max_size=9)), max_size=3))
    return View(tuple(branches), tuple(others), draw(st.booleans()))


def ends(place: Place) -> tuple[float, float]:
    half = place.width / 2
    if place.side == 0:
        return place.x - half, place.x + half
    return min(place.x, place.x + place.side * place.width), max(place.x, place.x + place.side * place.width)


@given(views())
def test_no_label_lies_over_another(view: View) -> None:
    """Two nodes are in other columns or in other rows; all lie inside the box; the same view has the same places."""
    drawn = layout(view)
    left, top, width, height = drawn.box
    places = list(drawn.places.values())
    for index, one in enumerate(places):
        assert left <= ends(one)[0] <= ends(one)[1] <= left + width
        assert top <= one.y <= top + height
        for other in places[index + 1 :]:
            beside = ends(one)[1] <= ends(other)[0] or ends(other)[1] <= ends(one)[0]
            assert beside or abs(one.y - other.y) >= 2 * LABEL_AT
    assert layout(view) == drawn


@given(views())
def test_a_picture_is_well_formed_whatever_the_names(view: View) -> None:
    """An XML reader finds each node once, with its whole label, and each edge."""
    root = ET.fromstring(svg(view))
    assert root.tag == f"{SVG}svg"
    nodes = root.findall(f"{SVG}g")
    assert len(nodes) == len(view.branches)
    assert len(root.findall(f"{SVG}path")) == len(view.branches) - 1 + len(view.others)
    assert svg(view) == svg(view)


class Reader(HTMLParser):
    """The tags of a page, those that stay open, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}


@given(views())
def test_a_page_needs_nothing_else(view: View) -> None:
    """No script, no link, no picture from elsewhere; every node is in the picture and in the list."""
    reader = Reader()
    reader.feed(html(view))
    assert not {"script", "link", "img", "iframe"} & set(reader.tags)
    assert not {"src", "href", "srcset"} & reader.attributes
    assert reader.tags.count("g") == len(view.branches)
    assert reader.tags.count("li") == len(view.branches) + len({branch.node.kind for branch in view.branches[1:]})


def test_names_are_text() -> None:
    """Markup and control characters in a name do nothing."""
    view = View((Branch(Node("a", HOSTILE, "entity")), Branch(Node("b", "\x00\x1b[31m]]>", "record"), 1, "a", HOSTILE)))
    for drawing in (svg(view), html(view)):
        assert "<script" not in drawing
        assert not re.search(r'<[^>]* onload="', drawing)
        assert "\x1b" not in drawing
    assert HOSTILE in ET.tostring(ET.fromstring(svg(view)), encoding="unicode", method="text")
