"""A view of the graph as a picture (SVG), and as a page of its own (HTML) with the picture and the same as a list.
Pure; both are self-contained, follow the reader's light or dark theme, and hold names and texts as text only."""

import re
from collections.abc import Mapping, Sequence
from html import escape

from graph.layout import LABEL_AT, Heading, Place, layout, shown_label
from graph.types import Edge
from graph.view import Branch, View, children

KINDS = {"question": "Question", "passage": "Passage", "entity": "Name", "document": "Document", "record": "Record"}
_MARKS = {
    "entity": "M-5.5 0a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0-11 0z",
    "passage": "M-5-5h10v10h-10z",
    "document": "M-4.5-6h6l3 3v9h-9z",
    "record": "M0-6.5L6.5 0 0 6.5-6.5 0z",
}
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_COLOURS = """
:root{--surface:#fff;--text:#182022;--muted:#566164;--line:#b3bcbe;--accent:#0f766e;--soft:#e0f2f0;
--passage:#2563b8;--document:#96550a;--record:#7a3fb0;color-scheme:light dark}
@media(prefers-color-scheme:dark){:root{--surface:#14181b;--text:#e6ebec;--muted:#9dabae;--line:#4a555b;
--accent:#4fd1c0;--soft:#17342f;--passage:#86b6ff;--document:#f2b155;--record:#cda4f5}}
"""
_STYLE = """
.graph{font:13px system-ui,"Liberation Sans",sans-serif;background:var(--surface)}
.graph text{fill:var(--text);dominant-baseline:central}
.graph .heading{fill:var(--muted);font-size:11px}
.way{fill:none;stroke:var(--line);stroke-width:1.5}
.beside{stroke-dasharray:3 4;stroke-width:1.2}
.way:hover{stroke:var(--accent)}
.pill{fill:var(--soft);stroke:var(--accent);stroke-width:1.5}
.centre text{font-weight:600}
.mark{fill:var(--accent)}
.mark-passage{fill:var(--passage)}.mark-document{fill:var(--document)}.mark-record{fill:var(--record)}
"""
_PAGE = """
body{margin:0;padding:24px;font:16px/1.6 system-ui,"Liberation Sans",sans-serif;color:var(--text);
background:var(--surface)}
h1{font-size:1.4rem;margin:0 0 12px}.picture{overflow-x:auto}
.picture svg{max-width:max(100%,900px);height:auto}.words{color:var(--muted);font-size:.85em}
ul{padding-left:1.4em;list-style:none}summary{cursor:pointer}.legend{display:flex;gap:20px;padding:0}
"""


def svg(view: View) -> str:
    """The picture. What was left out of the view is left out of it, too."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{_picture(view, f"{_COLOURS}{_STYLE}")}\n'


def html(view: View) -> str:
    """The page: the picture, its legend, and the same as a list whose branches open and close."""
    title = _text(view.centre.node.label)
    left_out = "" if view.complete else f'<p class="words">The {len(view.branches) - 1} nearest are shown.</p>'
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_COLOURS}{_STYLE}{_PAGE}</style>\n</head>\n<body>\n"
        f'<h1>{title}</h1>\n{left_out}\n<div class="picture" tabindex="0">{_picture(view, "")}</div>\n'
        f"{_legend(view)}\n<h2>As a list</h2>\n<ul>{_item(view.centre, children(view))}</ul>\n</body>\n</html>\n"
    )


def _picture(view: View, style: str) -> str:
    drawn = layout(view)
    left, top, width, height = (round(value, 1) for value in drawn.box)
    ways = [_way(drawn.places[str(branch.parent)], drawn.places[branch.node.id]) for branch in view.branches[1:]]
    beside = [_beside(edge, drawn.places) for edge in view.others]
    nodes = [_node(branch, drawn.places[branch.node.id]) for branch in view.branches]
    inside = "\n".join([*ways, *beside, *map(_heading, drawn.headings), *nodes])
    name = _text(f"Graph around {view.centre.node.label}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="graph" viewBox="{left} {top} {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-label="{name}">\n'
        f"{f'<style>{style}</style>' if style else ''}\n"
        f"{inside}\n</svg>"
    )


def _node(branch: Branch, place: Place) -> str:
    kind = branch.node.kind
    told = ", ".join(filter(None, (branch.node.label, KINDS[kind], branch.words)))
    label = _text(shown_label(branch))
    if place.side == 0:
        half = place.width / 2
        inside = (
            f'<rect class="pill" x="{-half:.1f}" y="-15" width="{place.width:.1f}" height="30" rx="15"/>'
            f'<text text-anchor="middle">{label}</text>'
        )
    else:
        anchor = "start" if place.side > 0 else "end"
        inside = (
            f'<path class="mark mark-{kind}" d="{_MARKS.get(kind, _MARKS["entity"])}"/>'
            f'<text x="{place.side * LABEL_AT:.0f}" text-anchor="{anchor}">{label}</text>'
        )
    name = "node" if place.side else "node centre"
    at = f"translate({place.x:.1f} {place.y:.1f})"
    return f'<g class="{name}" transform="{at}"><title>{_text(told)}</title>{inside}</g>'


def _way(parent: Place, child: Place) -> str:
    """From the end of the parent's label to the child's mark."""
    start = child.side * parent.width / 2 if parent.side == 0 else parent.x + child.side * parent.width
    end = child.x - child.side * 8
    middle = (start + end) / 2
    return (
        f'<path class="way" d="M{start:.1f} {parent.y:.1f}C{middle:.1f} {parent.y:.1f} '
        f'{middle:.1f} {child.y:.1f} {end:.1f} {child.y:.1f}"/>'
    )


def _beside(edge: Edge, places: Mapping[str, Place]) -> str:
    source, target = places[edge.source], places[edge.target]
    reach = 40 if source.x + target.x >= 0 else -40
    return (
        f'<path class="way beside" d="M{source.x:.1f} {source.y:.1f}C{source.x - reach:.1f} {source.y:.1f} '
        f'{target.x - reach:.1f} {target.y:.1f} {target.x:.1f} {target.y:.1f}">'
        f"<title>{_text(edge.relation.lower().replace('_', ' '))}</title></path>"
    )


def _heading(heading: Heading) -> str:
    anchor = "start" if heading.side > 0 else "end"
    x = heading.x - heading.side * 5
    return (
        f'<text class="heading" x="{x:.1f}" y="{heading.y + 3:.1f}" text-anchor="{anchor}">{_text(heading.text)}</text>'
    )


def _legend(view: View) -> str:
    kinds = dict.fromkeys(branch.node.kind for branch in view.branches[1:])
    items = (
        f'<li><svg class="graph" viewBox="-8 -8 16 16" width="16" height="16" aria-hidden="true">'
        f'<path class="mark mark-{kind}" d="{_MARKS.get(kind, _MARKS["entity"])}"/></svg> {KINDS[kind]}</li>'
        for kind in kinds
    )
    return f'<ul class="legend">{"".join(items)}</ul>'


def _item(branch: Branch, hanging: Mapping[str, Sequence[Branch]]) -> str:
    number = "" if branch.n is None else f"[{branch.n}] "
    words = f'<span class="words">{_text(branch.words)}: </span>' if branch.words else ""
    kind = f' <span class="words">{KINDS[branch.node.kind]}</span>'
    told = f"{words}{number}{_text(branch.node.label)}{kind}"
    below = hanging[branch.node.id]
    if not below:
        return f"<li>{told}</li>"
    inside = "".join(_item(child, hanging) for child in below)
    return f"<li><details open><summary>{told}</summary><ul>{inside}</ul></details></li>"


def _text(text: str) -> str:
    """As text of XML, without the characters that XML cannot hold."""
    return escape(_NOT_XML.sub("\ufffd", text))
