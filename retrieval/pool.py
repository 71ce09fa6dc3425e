"""What the ranker chooses from: the candidates of one question, and all that the legs and the graph told of them.
Pure data."""

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from retrieval import fusion
from retrieval.fusion import Scores
from retrieval.text import MAX_WORDS, content_words
from retrieval.types import Frequencies, Hit, Link, Passage

T = TypeVar("T")

SOURCES = 30
"""Best passages of the legs whose links are asked for."""
SEEDS = 10
"""Best of them that bring new candidates over their links."""
SIZE = 50
"""Candidates. Of the gold passages it holds 99.8 % (2Wiki), 100 % (HotpotQA) and 90 % (MuSiQue)."""
TOGETHER = 5
"""Among so many of the best the first one's neighbouring chunks have a place, if a leg finds them too."""
_FOUND = 3  # first hits of a leg that count for that
ASSURED = 8
"""Among so many of the best the legs' own first hits have a place: what a server takes by default."""


@dataclass(frozen=True, slots=True)
class Pool:
    """`passages` best first by `expanded`. By id: `base` and `expanded` are the scores before and after one hop,
    `named` tells how surely the question names a passage (from 0 to 1), `vector_ranks` its place in that leg (from
    0). `links` lead from one of the passages to another; `ways` is what those of a pair are worth together."""

    question: str
    terms: Mapping[str, float]
    """Content word of the question -> its weight; they sum to 1."""
    passages: Sequence[Passage]
    base: Scores
    expanded: Scores
    named: Scores
    vector_ranks: Mapping[str, int]
    links: Sequence[Link]
    ways: Mapping[tuple[str, str], float]


def candidates(base: Scores, links: Sequence[Link]) -> Scores:
    """The scores after one hop from the `SEEDS` best: the `SIZE` highest are the pool."""
    sources = fusion.ranked(base)[:SEEDS]
    return fusion.expanded(base, fusion.link_weights(link for link in links if link.source in sources))


def pool(
    question: str,
    counted: Frequencies,
    passages: Sequence[Passage],
    legs: Mapping[str, Sequence[Hit]],
    base: Scores,
    expanded: Scores,
    links: Sequence[Link],
) -> Pool:
    inside = {passage.id for passage in passages}
    between = [link for link in links if link.source in inside and link.target in inside]
    return Pool(
        question,
        _weights(counted),
        passages,
        base,
        expanded,
        {hit.passage: hit.score for hit in legs.get(fusion.GRAPH, ())},
        {hit.passage: rank for rank, hit in enumerate(legs.get(fusion.VECTOR, ()))},
        between,
        fusion.link_weights(between),
    )


def begun(order: Sequence[T], best: T, led: Container[T]) -> list[T]:
    """The order with `best`, the best passage before the ranking, in front of the one it is right behind if it leads
    there: a chain begins where it is entered. A simple question is answered there; one of more hops needs both, and has
    both either way."""
    if len(order) > 1 and order[1] == best and order[0] in led:
        return [best, order[0], *order[2:]]
    return list(order)


def together(order: Sequence[str], legs: Mapping[str, Sequence[Hit]], links: Sequence[Link]) -> list[str]:
    """The order with the neighbouring chunks of its first passage among the `TOGETHER` first, where the vector or the
    keyword leg has them among its first three: what was cut in two answers from either half. The weights do not know
    that, for they are trained on documents of one chunk, and a chunk gains few words over the one beside it."""
    near = {link.target for link in links if link.source in order[:1] and link.kind in {"next", "previous"}}
    found = [hit.passage for leg in (fusion.VECTOR, fusion.KEYWORD) for hit in legs.get(leg, ())[:_FOUND]]
    return _within(order, [passage for passage in dict.fromkeys(found) if passage in near], TOGETHER)


def assured(order: Sequence[str], legs: Mapping[str, Sequence[Hit]]) -> list[str]:
    """The order with the first hit of the vector and of the keyword leg among the `ASSURED` first. What no link and no
    common word supports is judged low, and may be the only passage that says it in other words."""
    leaders = [hits[0].passage for leg in (fusion.VECTOR, fusion.KEYWORD) if (hits := legs.get(leg))]
    return _within(order, leaders, ASSURED)


def _within(order: Sequence[str], wanted: Sequence[str], places: int) -> list[str]:
    """The order with those of the wanted that it has among so many first places, at the end of these if they were
    not there."""
    late = [passage for passage in dict.fromkeys(wanted) if passage in order[places - len(wanted) :]]
    others = [passage for passage in order if passage not in late]
    return others[: places - len(late)] + late + others[places - len(late) :]


def uncounted(question: str) -> Frequencies:
    """For an index that does not answer: every word is as common as the others."""
    return Frequencies(1, dict.fromkeys(content_words(question)[:MAX_WORDS], 0))


def _weights(counted: Frequencies) -> dict[str, float]:
    """The words by log(1 + N / (1 + df)), scaled to a sum of 1. A word that no passage has weighs too: that nothing
    covers it is part of the truth."""
    weights = {word: math.log(1 + counted.passages / (1 + df)) for word, df in counted.of.items()}
    total = sum(weights.values())
    return {word: weight / total for word, weight in weights.items()} if total else {}
