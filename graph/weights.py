"""What a link between two passages is worth, and how links add up. Pure: every store weighs alike.

A link is an entity on the way: mentioned by the one and the name of the other (`title`), the other way round
(`mentioned`), mentioned by both (`shared`), or the neighbouring chunk (`next`, `previous`). `mentions` is what leads
to a passage from an entity that was asked for. Its weight is the kind's share times, where the entity is only
mentioned, log(1 + N/df) / log(1 + N): rare names tell more. A name of n documents gives each 0.6/n.

Links are independent hints: a passage's score is 1 - product of (1 - weight).
"""

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from retrieval.types import Hit

NEXT: Final = 0.3
FARTHER: Final = 0.5
"""What a second hop is worth of a first."""
NEAR: Final = 60
"""A name in more passages than this leads from none of them to all the others: what it tells is not worth the rows."""

LEAST: Final = 30
NAME_SHARE: Final = 50
"""A name in more than `LEAST` and more than 1/50 of the passages tells nothing."""

_MENTIONED: Final = {"mentions": 0.6, "mentioned": 0.6, "shared": 0.3}
_AMBIGUOUS = 0.6

_WORDS = {
    "title": "titled «{entity}»",
    "mentions": "mentions «{entity}»",
    "mentioned": "mentions «{entity}»",
    "shared": "shares «{entity}» with «{origin}»",
    "next": "next chunk of «{origin}»",
    "previous": "previous chunk of «{origin}»",
}


class Reached(NamedTuple):
    """Passage `passage`, reached by a link of this kind over `entity` (its spelling, "" between neighbouring chunks)
    from a passage of the document called `origin` ("" when the entity was asked for)."""

    passage: str
    kind: str
    weight: float
    entity: str
    origin: str

    @property
    def why(self) -> str:
        words = _WORDS[self.kind].format(entity=self.entity, origin=self.origin)
        return f"{words}, named in «{self.origin}»" if self.kind == "title" and self.origin else words


def hub_limit(passages: int) -> int:
    """In how many of so many passages a name may stand and still tell something."""
    return max(LEAST, passages // NAME_SHARE)


def link_weight(kind: str, count: int, passages: int) -> float:
    """In (0, 1]. `count`: the documents called so (`title`), or the passages that mention it; `passages`: all."""
    if kind == "title":
        return 1.0 if count == 1 else _AMBIGUOUS / count
    if kind in _MENTIONED:
        scale = math.log(1 + passages) or 1.0
        return _MENTIONED[kind] * min(1.0, math.log(1 + passages / count) / scale)
    return NEXT


def combine(links: Iterable[Reached], limit: int) -> list[Hit]:
    """The passages of these links, best first; of the links over one entity only the strongest counts."""
    by_passage: dict[str, dict[str, Reached]] = {}
    for link in links:
        strongest = by_passage.setdefault(link.passage, {})
        way = link.entity or link.kind
        if way not in strongest or link.weight > strongest[way].weight:
            strongest[way] = link
    hits = [_hit(passage, list(strongest.values())) for passage, strongest in by_passage.items()]
    return sorted(hits, key=lambda hit: (-hit.score, hit.passage))[:limit]


def _hit(passage: str, links: Sequence[Reached]) -> Hit:
    best = max(links, key=lambda link: (link.weight, link.entity))
    return Hit(passage, 1 - math.prod(1 - link.weight for link in links), best.why)
