"""What the ranker sees of a candidate. Pure.

Theory of operation
    The question is its content words, each with a weight; they sum to 1. `cover` of a passage is the weight of those
    that stand in it, in any inflection.

    The second passage of a chain has few of the question's words. What tells it from the others that the first one
    leads to is what the two have between them. Hence features of a link, from a parent p to the candidate t, of which
    the best over all parents counts, each times how good p is (its base score, the best one's being 1): `gain`, the
    words that t has and neither p nor the best passage of all; `joint`, the words of p or t. And PageRank over the
    links of the pool alone, restarting at the base scores.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TypeAlias

from retrieval.pool import Pool
from retrieval.text import word_stems, words
from retrieval.types import Link, Passage
from retrieval.walk import walked

Features: TypeAlias = dict[str, float]

NAMES = (
    # what the legs said
    "graph",
    "vector_rank",
    "expanded",
    "expanded_rank",
    # the passage and the question
    "title_cover",
    "named",
    # the links that lead there
    "title",
    "mentioned",
    "shared",
    "shared_names",
    "gain",
    "gain_title",
    "joint",
    "joint_title",
    "pagerank",
    "hub",
)

_SURELY_NAMED = 0.5
_TRAILING_BRACKET = re.compile(r"\s*\([^()]*\)\s*$")

Links: TypeAlias = Mapping[tuple[str, str], Sequence[Link]]
"""(parent, candidate) -> the links between them."""
Weights: TypeAlias = Mapping[tuple[str, str], float]


def features(pool: Pool) -> dict[str, Features]:
    """The features of each candidate by its id; what is not there is 0. All of them are finite."""
    found: dict[str, Features] = {passage.id: defaultdict(float) for passage in pool.passages}
    if not found:
        return found
    covers = _Covers(pool)
    links: defaultdict[tuple[str, str], list[Link]] = defaultdict(list)
    for link in pool.links:
        links[link.source, link.target].append(link)
    highest = max(pool.expanded.values()) or 1.0
    for rank, passage in enumerate(pool.passages):
        found[passage.id].update(_told(pool, passage.id, rank, highest) | _own(pool, passage, covers))
    best = max(pool.base.values(), default=0.0) or 1.0
    strength = {id: pool.base.get(id, 0.0) / best for id in found}
    _add_parents(found, links, pool.ways, strength, covers)
    for id, share in walked(strength, pool.ways).items():
        found[id]["pagerank"] = share
    return found


def _told(pool: Pool, id: str, rank: int, highest: float) -> Features:
    """What legs and fusion said of it; ranks as 1 / (1 + rank / 3)."""
    return {
        "graph": pool.named.get(id, 0.0),
        "vector_rank": _reciprocal(pool.vector_ranks.get(id)),
        "expanded": pool.expanded[id] / highest,
        "expanded_rank": _reciprocal(rank),
    }


def _reciprocal(rank: int | None) -> float:
    return 0.0 if rank is None else 1 / (1 + rank / 3)


def _own(pool: Pool, passage: Passage, covers: "_Covers") -> Features:
    title = " ".join(words(_TRAILING_BRACKET.sub("", passage.title)))
    asked = f" {title} " in f" {' '.join(words(pool.question))} "
    return {
        "title_cover": covers.weight(covers.of_title[passage.id]),
        "named": float(asked and pool.named.get(passage.id, 0.0) >= _SURELY_NAMED),
    }


def _add_parents(
    found: dict[str, Features], links: Links, weights: Weights, strength: Mapping[str, float], covers: "_Covers"
) -> None:
    titled: Counter[str] = Counter()
    for (parent, id), between in links.items():
        for name, value in _of_parent(parent, id, between, weights[parent, id], strength[parent], covers).items():
            found[id][name] = max(found[id][name], value)
        titled[id] += any(link.kind == "title" for link in between)
    for id, count in titled.items():
        found[id]["hub"] = math.log1p(count)


def _of_parent(
    parent: str, id: str, between: Sequence[Link], weight: float, strength: float, covers: "_Covers"
) -> Features:
    own, other = covers.of[id], covers.of[parent]
    gain, joint = covers.weight(own & ~other & ~covers.known(id)), covers.weight(own | other)
    result = {
        "gain": strength * weight * gain,
        "joint": strength * weight * joint,
        "shared_names": strength * min(1.0, sum(link.weight for link in between if link.kind == "shared")),
    }
    for link in between:
        if link.kind in NAMES:
            result[link.kind] = max(result.get(link.kind, 0.0), strength * link.weight)
    if "title" in result:
        result["gain_title"] = strength * gain
        result["joint_title"] = strength * joint
    return result


class _Covers:
    """Which of the question's words stand where, as a bit for each word."""

    def __init__(self, pool: Pool) -> None:
        self._weights = list(pool.terms.values())
        self._bits: defaultdict[str, int] = defaultdict(int)  # by stem
        self._bits_of: dict[str, int] = {}  # by word of a passage, where it is one of the question's
        self._seen: set[str] = set()  # passages have most of their words in common
        for index, word in enumerate(pool.terms):
            for stem in word_stems(word):
                self._bits[stem] |= 1 << index
        self.weight = cache(self._weight)
        self.of_title = {passage.id: self._cover(passage.title) for passage in pool.passages}
        self._best = max(pool.passages, key=lambda passage: pool.base.get(passage.id, 0.0)).id
        self.of = {p.id: self.of_title[p.id] | self._cover(p.text) for p in pool.passages}

    def known(self, id: str) -> int:
        """What the best passage by base score covers; nothing when it is this one."""
        return 0 if id == self._best else self.of.get(self._best, 0)

    def _cover(self, text: str) -> int:
        found = set(words(text))
        for word in found - self._seen:
            if bits := self._bits_in(word_stems(word)):
                self._bits_of[word] = bits
        self._seen |= found
        cover = 0
        for word in self._bits_of.keys() & found:
            cover |= self._bits_of[word]
        return cover

    def _bits_in(self, stems: Iterable[str]) -> int:
        bits = 0
        for stem in stems:
            bits |= self._bits.get(stem, 0)
        return bits

    def _weight(self, cover: int) -> float:
        return sum(weight for index, weight in enumerate(self._weights) if cover >> index & 1)
