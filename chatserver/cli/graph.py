"""`chatserver graph`."""

import json as json_format
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.text import Text
from rich.tree import Tree

from chatserver.cli import terminal
from chatserver.cli.errors import CommandError
from chatserver.cli.reach import reached
from graph.drawing import KINDS, html, svg
from graph.view import Branch, View, children, from_document

_DRAWINGS = {".svg": svg, ".html": html}


def graph(
    entity: str | None,
    *,
    answer: str | None,
    out: Path | None,
    hops: int,
    limit: int,
    namespace: str,
    url: str | None,
    data_dir: Path | None,
    json: bool,
) -> None:
    """Raises `CommandError` for a file that can't be drawn, before anything is asked, and `Rejected` for an unknown
    name, with the nearest ones."""
    if (entity is None) == (answer is None):
        raise CommandError("name an entity, or an answer with --answer", code="invalid_field")
    if out is not None and out.suffix.lower() not in _DRAWINGS:
        raise CommandError(f"{out} is neither .svg nor .html", code="unknown_format")
    with reached(url, data_dir) as (loop, client):
        document = loop.run(client.graph(entity, answer=answer, hops=hops, limit=limit, namespace=namespace))
    view = from_document(document)
    if out is not None:
        _write(out, _DRAWINGS[out.suffix.lower()](view))
        terminal.remark(f"{len(view.branches)} nodes drawn to {out}")
    if json:
        print(json_format.dumps(document, ensure_ascii=False))
    elif out is None:
        terminal.out.print(_tree(view))
    if not view.complete:
        terminal.remark(f"there is more: the {len(view.branches) - 1} nearest are shown; a higher --limit shows more")


def _write(out: Path, drawing: str) -> None:
    try:
        out.write_text(drawing, "utf-8")
    except OSError as error:
        raise CommandError(f"{out} can't be written: {error.strerror}", code="unwritable") from error


def _tree(view: View) -> Tree:
    tree = Tree(Text(view.centre.node.label, style="bold"))
    _grow(tree, view.centre, children(view))
    return tree


def _grow(tree: Tree, branch: Branch, hanging: Mapping[str, Sequence[Branch]]) -> None:
    for child in hanging[branch.node.id]:
        number = "" if child.n is None else f"[{child.n}] "
        label = Text.assemble((f"{child.words}: ", "dim"), f"{number}{child.node.label}")
        label.append(f"  {KINDS[child.node.kind].lower()}", style="dim")
        _grow(tree.add(label), child, hanging)
