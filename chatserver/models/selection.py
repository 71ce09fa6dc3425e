"""Which sentences of the context answer a question: rule scores, pure.

A sentence is scored together with its title, for `It was founded in 1921` says nothing without it. The score adds,
each between 0 and 1:

    lexical    BM25 (k1 1.2, b 0.75) of the question's content stems over the context's sentences, over the best
    meaning    cosine of question and sentence, stretched over the context's own range; absent without vectors
    rank       the passage's place in the retrieval order, 1 / (1 + place / 4)
    position   1 / (1 + place in the passage): documents open with what they are about
    link       names another passage's title that the question does not: a step to that passage
    named      its title stands in the question, or in a passage whose title does

Then the best are taken, greedily: near-duplicates never, sentences that repeat the chosen less gladly, and nothing far
below the best.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from chatserver.models.sentences import Sentence, split
from retrieval.text import Language, content_stems, words
from retrieval.types import Passage, Vector

MOST = 5
"""Sentences in an answer."""
DUPLICATE = 0.6
"""Jaccard overlap of two sentences' content stems from which they say the same."""


@dataclass(frozen=True, slots=True)
class Weights:
    lexical: float = 1.0
    meaning: float = 0.6
    rank: float = 0.6
    position: float = 0.6
    link: float = 0.3
    named: float = 0.6
    repeats: float = 0.5
    """Taken off per sentence already chosen from the same passage."""
    floor: float = 0.45
    """Share of the best score below which nothing is taken."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Sentence `place` of passage `source` (both from 0)."""

    source: int
    place: int
    sentence: Sentence
    stems: tuple[str, ...]
    """Of the sentence alone, function words left out."""
    title_stems: tuple[str, ...]


def candidates(passages: Sequence[Passage]) -> list[Candidate]:
    """Every sentence of the context, in order; the same sentence of overlapping passages once."""
    found, seen = [], set()
    for source, passage in enumerate(passages):
        title = tuple(content_stems(passage.title))
        for place, sentence in enumerate(split(passage.text)):
            key = tuple(words(sentence.text))
            if not key or key in seen:
                continue
            seen.add(key)
            found.append(Candidate(source, place, sentence, tuple(content_stems(sentence.text)), title))
    return found


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
    if not among:
        return []
    scores = score(question, language, passages, among, vectors, weights)
    chosen = _greedy(among, scores, weights, most)
    return sorted((among[i] for i in chosen), key=lambda c: (c.source, c.place))


def score(
    question: str,
    language: Language,
    passages: Sequence[Passage],
    among: Sequence[Candidate],
    vectors: Sequence[Vector] | None,
    weights: Weights,
) -> list[float]:
    """One score for each candidate; only their order and ratios mean something."""
    features = feature_rows(question, language, passages, among, vectors)
    factors = (weights.lexical, weights.meaning, weights.rank, weights.position, weights.link, weights.named)
    return [sum(f * x for f, x in zip(factors, row, strict=True)) for row in features]


def feature_rows(
    question: str,
    language: Language,
    passages: Sequence[Passage],
    among: Sequence[Candidate],
    vectors: Sequence[Vector] | None,
) -> list[tuple[float, ...]]:
    """The six features of the module's table, in its order, for each candidate."""
    wanted = set(content_stems(question, language)) | set(content_stems(question))
    lexical = _over_best(_bm25(wanted, [c.title_stems + c.stems for c in among]))
    meaning = _stretched([_dot(vectors[0], v) for v in vectors[1:]]) if vectors else [0.0] * len(among)
    titles = [_padded(_short_title(passage.title)) for passage in passages]
    asked = _padded(question)
    named = _named(asked, titles, passages)
    return [
        (
            lexical[i],
            meaning[i],
            1 / (1 + c.source / 4),
            1 / (1 + c.place),
            float(_links(_padded(c.sentence.text), titles, c.source, asked)),
            named[c.source],
        )
        for i, c in enumerate(among)
    ]


def _greedy(among: Sequence[Candidate], scores: Sequence[float], weights: Weights, most: int) -> list[int]:
    left = sorted(range(len(among)), key=lambda i: -scores[i])
    floor = scores[left[0]] * weights.floor
    chosen: list[int] = []
    taken: Counter[int] = Counter()
    while left and len(chosen) < most:
        best = max(left, key=lambda i: scores[i] - weights.repeats * taken[among[i].source])
        if scores[best] - weights.repeats * taken[among[best].source] < floor:
            break
        chosen.append(best)
        taken[among[best].source] += 1
        left = [i for i in left if i != best and _overlap(among[i], among[best]) < DUPLICATE]
    return chosen


def _overlap(one: Candidate, other: Candidate) -> float:
    a, b = set(one.stems), set(other.stems)
    return len(a & b) / (len(a | b) or 1)


def _bm25(wanted: set[str], texts: Sequence[tuple[str, ...]]) -> list[float]:
    frequency = Counter(stem for text in texts for stem in wanted.intersection(text))
    mean = sum(map(len, texts)) / len(texts) or 1.0
    idf = {stem: math.log(1 + (len(texts) - df + 0.5) / (df + 0.5)) for stem, df in frequency.items()}
    scores = []
    for text in texts:
        counts = Counter(stem for stem in text if stem in idf)
        norm = 1.2 * (0.25 + 0.75 * len(text) / mean)
        scores.append(sum(idf[stem] * n * 2.2 / (n + norm) for stem, n in counts.items()))
    return scores


def _over_best(scores: Sequence[float]) -> list[float]:
    best = max(scores)
    return [score / best if best > 0 else 0.0 for score in scores]


def _stretched(scores: Sequence[float]) -> list[float]:
    low, high = min(scores), max(scores)
    return [(score - low) / (high - low) if high > low else 0.0 for score in scores]


def _dot(a: Vector, b: Vector) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def _padded(text: str) -> str:
    """Folded words between spaces, so that `in` finds whole words only."""
    return f" {' '.join(words(text))} "


def _short_title(title: str) -> str:
    """Without a trailing explanation in brackets: texts name things without it."""
    return title.split(" (")[0]


def _links(text: str, titles: Sequence[str], own: int, asked: str) -> bool:
    return any(
        t.strip() and t in text and t not in asked for i, t in enumerate(titles) if i != own and t != titles[own]
    )


def _named(asked: str, titles: Sequence[str], passages: Sequence[Passage]) -> list[float]:
    in_question = [bool(t.strip()) and t in asked for t in titles]
    opened = [_padded(p.text) for p, named in zip(passages, in_question, strict=True) if named]
    return [
        1.0 if named else 0.7 if title.strip() and any(title in text for text in opened) else 0.0
        for title, named in zip(titles, in_question, strict=True)
    ]
