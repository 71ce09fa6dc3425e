"""Which sentences of the context answer a question. Pure.

Two logistic models see each sentence's features (`features`): does it hold the answer, does it support it. The
likeliest answers come first, then what supports them, best first, while it is not far below the best. Where no
sentence is likely either way, the models don't know this sort of text, and `rules` give the order.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from chatserver.models.features import Candidate, Features
from chatserver.models.weights import Weights
from retrieval.text import words
from retrieval.types import Passage

MOST = 5
"""Sentences in an answer."""
MOST_WORDS = 120
"""Words in an answer, the sources' titles above their quotes included. One sentence is quoted however long it is."""
DUPLICATE = 0.7
"""Jaccard overlap of two sentences' content stems from which they say the same."""
SURE = 0.7
"""Worth of the best sentence from which the models are trusted with the choice. On the public questions nearly every
context has one, on the sample handbook hardly any."""
ANSWERS = 2
MIN_ANSWER = 0.05
"""The likeliest answers, this many, are taken first; but for the very best, only with this probability."""
MIN_WORTH = 0.07
MIN_SHARE = 0.1
"""Worth, and share of the best worth, below which nothing is added."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A candidate with the probabilities that it supports the answer and that it holds it."""

    candidate: Candidate
    support: float
    answer: float

    @property
    def worth(self) -> float:
        """The probability of either, as if they were independent."""
        return 1 - (1 - self.support) * (1 - self.answer)


def judged(among: Sequence[Candidate], rows: Sequence[Features], weights: Weights) -> list[Judged]:
    return [Judged(c, weights.support(row), weights.answer(row)) for c, row in zip(among, rows, strict=True)]


def is_sure(among: Sequence[Judged]) -> bool:
    """Do the models find anything likely?"""
    return max((one.worth for one in among), default=0.0) >= SURE


def by_probability(among: Sequence[Judged]) -> list[Candidate]:
    """Those worth quoting, in the order in which they are."""
    by_answer = sorted(among, key=lambda one: -one.answer)
    by_worth = sorted(among, key=lambda one: -one.worth)
    least = max(MIN_WORTH, MIN_SHARE * by_worth[0].worth) if among else 0.0
    first = [one for n, one in enumerate(by_answer[:ANSWERS]) if n == 0 or one.answer >= MIN_ANSWER]
    return [one.candidate for one in first + [one for one in by_worth if one.worth >= least and one not in first]]


def kept(
    order: Sequence[Candidate], passages: Sequence[Passage], most: int = MOST, most_words: int = MOST_WORDS
) -> list[Candidate]:
    """The first of them that say something new and fit, grouped by source in retrieval order, in document order
    within a source."""
    chosen: list[Candidate] = []
    for candidate in order:
        grown = [*chosen, candidate]
        if len(grown) > most:
            break
        if not chosen or (_length(grown, passages) <= most_words and not _repeats(candidate, chosen)):
            chosen = grown
    return sorted(chosen, key=lambda c: (c.source, c.place))


def _length(chosen: Sequence[Candidate], passages: Sequence[Passage]) -> int:
    titles = {c.source: passages[c.source].title for c in chosen}
    return sum(len(words(text)) for text in [*titles.values(), *(c.sentence.text for c in chosen)])


def _repeats(candidate: Candidate, chosen: Sequence[Candidate]) -> bool:
    return any(_overlap(candidate, other) > DUPLICATE for other in chosen)


def _overlap(one: Candidate, other: Candidate) -> float:
    a, b = set(one.stems), set(other.stems)
    return len(a & b) / (len(a | b) or 1)
