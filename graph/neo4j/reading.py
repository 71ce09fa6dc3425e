"""What the rows of the walk mean. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from graph.weights import FARTHER, Reached, link_weight
from retrieval.types import Link, LinkKind


class Step(NamedTuple):
    """One link of the walk, as the server tells it. `source` is None for an entity that was asked for; `among` tells
    how many documents are called so (`title`) or how many passages mention it; `origin` is the source's title."""

    hop: int
    source: str | None
    target: str
    kind: LinkKind
    name: str
    at: int
    among: int
    origin: str | None


def links(total: int, steps: Iterable[Step]) -> list[Link]:
    return [
        Link(step.source, step.target, step.kind, link_weight(step.kind, step.among, total), step.name, step.at)
        for step in steps
        if step.source is not None
    ]


def reached(total: int, steps: Sequence[Step], seeds: Iterable[str]) -> Iterator[Reached]:
    """The ends of the steps, but for the seeds. A step is worth its link's weight times, from the second hop on, what
    the best way to its source is worth and `FARTHER`."""
    given = set(seeds)
    best: dict[tuple[int, str], float] = {}
    for step in sorted(steps, key=lambda step: step.hop):
        weight = link_weight(step.kind, step.among, total)
        if step.hop > 1 and step.source is not None:
            weight *= FARTHER * best[step.hop - 1, step.source]
        best[step.hop, step.target] = max(weight, best.get((step.hop, step.target), 0.0))
        if step.target not in given:
            yield Reached(step.target, step.kind, weight, step.name, step.origin or "")
