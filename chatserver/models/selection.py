"""Which sentences of the context answer a question: rule scores, pure.

Each sentence's features are weighed and added; then the best are taken, greedily: near-duplicates never, what the
chosen have not said yet more gladly, a passage again less gladly, and nothing far below the best. Weights were set
on public multi-hop questions and on the sample handbook, rounded; a trained selector can take their place.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from chatserver.models.features import (
    PROCEDURE,
    Candidate,
    Features,
    features,
    rarity_of,
    wanted_stems,
)
from retrieval.text import Language, fold
from retrieval.types import Passage, Vector

MOST = 5
"""Sentences in an answer."""
DUPLICATE = 0.6
"""Jaccard overlap of two sentences' content stems from which they say the same."""


@dataclass(frozen=True, slots=True)
class Weights:
    lexical: float = 1.0
    meaning: float = 0.5
    rank: float = 1.0
    position: float = 0.15
    link: float = 0.4
    named: float = 2.5
    asked: float = 0.7
    fresh: float = 0.7
    """For saying what of the question no chosen sentence says yet: its share of the question's stems, by rarity."""
    again: float = 0.8
    """Factor for each sentence already chosen from the same passage."""
    floor: float = 0.35
    """Share of the best score below which nothing is taken."""


def select(
    question: str,
    language: Language,
    passages: Sequence[Passage],
    among: Sequence[Candidate],
    vectors: Sequence[Vector] | None = None,
    weights: Weights = Weights(),
    most: int = MOST,
) -> list[Candidate]:
    """At most `most` of `among`, grouped by source in retrieval order, in document order within a source.

    `vectors` are unit vectors: the question's, then one for each candidate.
    """
    if not among or not most:
        return []
    rarity = rarity_of(wanted_stems(question, language), among)
    scores = [_score(row, weights) for row in features(question, rarity, passages, among, vectors)]
    if PROCEDURE.search(fold(question)):
        weights = replace(weights, again=1.0)
    chosen = _greedy(among, scores, rarity, weights, most)
    return sorted((among[i] for i in chosen), key=lambda c: (c.source, c.place))


def _score(row: Features, w: Weights) -> float:
    return (
        w.lexical * row.lexical
        + w.meaning * row.meaning
        + w.rank * row.rank
        + w.position * row.position
        + w.link * row.link
        + w.named * row.named
        + w.asked * row.asked
    )


def _greedy(
    among: Sequence[Candidate], scores: Sequence[float], rarity: Mapping[str, float], weights: Weights, most: int
) -> list[int]:
    left = set(range(len(among)))
    unsaid = dict(rarity)
    total = sum(rarity.values()) or 1.0
    chosen: list[int] = []
    taken: Counter[int] = Counter()
    floor = 0.0

    def worth(i: int) -> tuple[float, int]:
        fresh = sum(unsaid.get(stem, 0.0) for stem in {*among[i].stems, *among[i].title_stems}) / total
        return (scores[i] + weights.fresh * fresh) * weights.again ** taken[among[i].source], -i

    while left and len(chosen) < most:
        best = max(left, key=worth)
        value, _ = worth(best)
        if value < floor:
            break
        floor = floor or value * weights.floor
        chosen.append(best)
        taken[among[best].source] += 1
        for stem in (*among[best].stems, *among[best].title_stems):
            unsaid.pop(stem, None)
        left = {i for i in left if i != best and _overlap(among[i], among[best]) < DUPLICATE}
    return chosen


def _overlap(one: Candidate, other: Candidate) -> float:
    a, b = set(one.stems), set(other.stems)
    return len(a & b) / (len(a | b) or 1)
