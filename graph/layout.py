"""Where a view's nodes are drawn: the centre in the middle, its branches to both sides, a column for each depth. Pure;
the same view always has the same places. `chatserver/web/graph_layout.js` does it for the page, with its fonts."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from graph.view import Branch, View, children

ROW, HEADING, GAP, MARGIN = 26.0, 21.0, 48.0, 20.0
LABEL_AT = 12.0
"""How far from its mark a label begins."""
_LETTER = 7.4  # generous: what draws it has a font of its own
_SMALL = 0.85
_PADDING = 40.0
_LONGEST = 40

Side: TypeAlias = Literal[-1, 0, 1]


@dataclass(frozen=True, slots=True)
class Place:
    """`x`, `y` of a node's mark (of the centre: its middle), `width` of mark and label, `side` where the label is."""

    x: float
    y: float
    width: float
    side: Side


@dataclass(frozen=True, slots=True)
class Heading:
    """How the siblings below it hang on their parent."""

    x: float
    y: float
    side: Side
    text: str


@dataclass(frozen=True, slots=True)
class Layout:
    """In pixels; `box` is left, top, width, height."""

    places: Mapping[str, Place]
    headings: Sequence[Heading]
    box: tuple[float, float, float, float]


def layout(view: View) -> Layout:
    hanging = children(view)
    half = (_width(shown_label(view.centre)) + _PADDING) / 2
    places = {view.centre.node.id: Place(0, 0, 2 * half, 0)}
    headings: list[Heading] = []
    for side, branches in zip((1, -1), _halves(hanging[view.centre.node.id], hanging), strict=True):
        drawn = _Side(1 if side > 0 else -1, hanging, half + GAP, branches)
        places |= drawn.places
        headings += drawn.headings
    return Layout(places, headings, _box(places, headings))


def shown_label(branch: Branch) -> str:
    """With its number, and without line breaks, cut where it gets long."""
    label = " ".join(branch.node.label.split())
    label = label if branch.n is None else f"{branch.n}  {label}"
    return label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1].rstrip()}…"


class _Side:
    """The branches on one side, their middle at the height of the centre."""

    def __init__(
        self, side: Side, hanging: Mapping[str, Sequence[Branch]], start: float, branches: Sequence[Branch]
    ) -> None:
        self._side: Side = side
        self._hanging = hanging
        self._columns = self._starts(start, branches)
        self._y = 0.0
        self.places: dict[str, Place] = {}
        self.headings: list[Heading] = []
        if branches:
            self._place(branches, 0)
        shift = (self._y - ROW) / 2
        self.places = {id: Place(place.x, place.y - shift, place.width, side) for id, place in self.places.items()}
        self.headings = [Heading(each.x, each.y - shift, side, each.text) for each in self.headings]

    def _starts(self, start: float, branches: Sequence[Branch]) -> list[float]:
        starts, level = [start], list(branches)
        while level:
            starts.append(starts[-1] + max(map(_column, level)) + GAP)
            level = [child for branch in level for child in self._hanging[branch.node.id]]
        return starts

    def _place(self, siblings: Sequence[Branch], depth: int) -> float:
        """Siblings and all below them; gives the middle of the first and the last."""
        heights = []
        x = self._side * self._columns[depth]
        words = None
        for branch in siblings:
            headed, words = branch.words != words, branch.words
            self._y += HEADING if headed else 0
            below = self._hanging[branch.node.id]
            y = self._place(below, depth + 1) if below else self._y
            self._y += 0 if below else ROW
            if headed:
                self.headings.append(Heading(x, y - HEADING, self._side, branch.words))
            self.places[branch.node.id] = Place(x, y, _label_width(branch), self._side)
            heights.append(y)
        return (heights[0] + heights[-1]) / 2


def _halves(
    branches: Sequence[Branch], hanging: Mapping[str, Sequence[Branch]]
) -> tuple[Sequence[Branch], Sequence[Branch]]:
    """About as high as each other, in their order."""

    def leaves(branch: Branch) -> int:
        return max(1, sum(map(leaves, hanging[branch.node.id])))

    heights = [leaves(branch) for branch in branches]
    cut = above = 0
    while 2 * above < sum(heights):
        above += heights[cut]
        cut += 1
    return branches[:cut], branches[cut:]


def _box(places: Mapping[str, Place], headings: Sequence[Heading]) -> tuple[float, float, float, float]:
    across = [end for place in places.values() for end in _ends(place)]
    across += [each.x + each.side * _SMALL * _width(each.text) for each in headings]
    down = [place.y for place in places.values()] + [each.y for each in headings]
    left, top = min(across) - MARGIN, min(down) - MARGIN
    return left, top, max(across) + MARGIN - left, max(down) + MARGIN - top


def _ends(place: Place) -> tuple[float, float]:
    if place.side == 0:
        return place.x - place.width / 2, place.x + place.width / 2
    return place.x, place.x + place.side * place.width


def _column(branch: Branch) -> float:
    return max(_label_width(branch), _SMALL * _width(branch.words))


def _label_width(branch: Branch) -> float:
    return LABEL_AT + _width(shown_label(branch))


def _width(text: str) -> float:
    return _LETTER * sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
