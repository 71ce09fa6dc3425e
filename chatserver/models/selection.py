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
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from chatserver.models.sentences import Sentence, split
from retrieval.text import Language, content_stems, fold, words
from retrieval.types import Passage, Vector

MOST = 5
"""Sentences in an answer."""
DUPLICATE = 0.6
"""Jaccard overlap of two sentences' content stems from which they say the same."""

CARRY = 0.8
"""What a sentence that starts with a pronoun inherits of the score of the one before it."""
HOP = 0.8
HOPS = 3
"""How far a chain of names is followed from the question, and what each step keeps."""


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
    if not among or not most:
        return []
    scores = score(question, language, passages, among, vectors, weights)
    if _PROCEDURE.search(fold(question)):
        weights = replace(weights, again=1.0)
    chosen = _greedy(among, scores, _rarity(_wanted(question, language), among), weights, most)
    return sorted((among[i] for i in chosen), key=lambda c: (c.source, c.place))


def score(
    question: str,
    language: Language,
    passages: Sequence[Passage],
    among: Sequence[Candidate],
    vectors: Sequence[Vector] | None,
    w: Weights,
) -> list[float]:
    """One score for each candidate; only their order and ratios mean something."""
    features = feature_rows(question, language, passages, among, vectors)
    factors = (w.lexical, w.meaning, w.rank, w.position, w.link, w.named, w.asked)
    return [sum(f * x for f, x in zip(factors, row, strict=True)) for row in features]


def feature_rows(
    question: str,
    language: Language,
    passages: Sequence[Passage],
    among: Sequence[Candidate],
    vectors: Sequence[Vector] | None,
) -> list[tuple[float, ...]]:
    """The six features of the module's table, in its order, for each candidate."""
    rarity = _rarity(_wanted(question, language), among)
    follows = _ANYTHING if _PROCEDURE.search(fold(question)) else _PRONOUN
    lexical = _carried(_over_best(_bm25(rarity, [c.title_stems + c.stems for c in among])), among, follows)
    meaning = _stretched([dot(vectors[0], v) for v in vectors[1:]]) if vectors else [0.0] * len(among)
    titles = [padded(short_title(passage.title)) for passage in passages]
    asked = padded(question)
    named = _named(asked, titles, passages)
    asks = next((sort for sort in _ASKED if sort.question.search(fold(question))), None)
    return [
        (
            lexical[i],
            meaning[i],
            1 / (1 + c.source / 4),
            1 / (1 + c.place),
            float(_links(padded(c.sentence.text), titles, c.source, asked)),
            named[c.source],
            float(asks.pattern.search(c.sentence.text) is not None) if asks else 0.0,
        )
        for i, c in enumerate(among)
    ]


@dataclass(frozen=True, slots=True)
class _Sort:
    """A sort of thing that a question asks for, and how a sentence shows that it has one."""

    question: re.Pattern[str]
    pattern: re.Pattern[str]


_PRONOUN = re.compile(
    r"(?:He|She|It|Its|They|This|That|These|His|Her|Their|Hij|Zij|Ze|Het|Dit|Dat|Deze|Die|Zijn|Haar|Hun|Daarna)\b"
)
_ANYTHING = re.compile("")
_PROCEDURE = re.compile(
    r"\bhow (?:do|does|to|can|should|must)\b|\bwhat (?:must|should|has to|do|is done)\b|\bremed(?:y|ies)\b|\bsteps?\b|"
    r"\bwat (?:moet|moeten|doe|doen|te doen)\b|\bhoe (?:moet|kan|wordt|worden)\b|\bstappen\b"
)
"""A question for steps: they stand together, so neighbours count and one passage may fill the answer."""
_MONTHS = (
    "January|February|March|April|May|June|July|August|September|October|November|December|"
    "januari|februari|maart|april|mei|juni|juli|augustus|september|oktober|november|december"
)
_ASKED = (
    _Sort(
        re.compile(r"\b(?:when|what (?:year|date|day)|which year|date|year|born|wanneer|welk jaar|datum|geboren)\b"),
        re.compile(rf"\b(?:1\d|20)\d\d\b|\b(?:{_MONTHS})\b|\b\d{{1,2}}:\d\d\b"),
    ),
    _Sort(
        re.compile(
            r"\bhow (?:many|much|often|long|far|high|loud|hot|cold|big|large|old|tall|deep|fast|heavy)\b|\bhoe "
            r"(?:vaak|lang|ver|hoog|luid|heet|koud|groot|oud|diep|snel|zwaar)\b|\bhoeveel\b|\b(?:limit|pressure|"
            r"temperature|number|population|grens|druk|temperatuur|aantal)\b"
        ),
        re.compile(
            r"\d|\b(?:one|two|three|four|five|six|ten|daily|weekly|monthly|yearly|once|twice|dagelijks|"
            r"wekelijks|maandelijks|jaarlijks|een|twee|drie|vier|vijf|zes|tien)\b",
            re.IGNORECASE,
        ),
    ),
    _Sort(re.compile(r"\b(?:who|whom|whose|wie|wiens)\b"), re.compile(r"(?<=\w )[A-Z]\w+ [A-Z]\w+")),
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


def _wanted(question: str, language: Language) -> set[str]:
    return set(content_stems(question, language)) | set(content_stems(question))


def _rarity(wanted: set[str], among: Sequence[Candidate]) -> dict[str, float]:
    """Inverse document frequency over the context's sentences, of the wanted stems that occur there."""
    frequency = Counter(stem for c in among for stem in wanted.intersection(c.title_stems + c.stems))
    return {stem: math.log(1 + (len(among) - df + 0.5) / (df + 0.5)) for stem, df in frequency.items()}


def _bm25(rarity: Mapping[str, float], texts: Sequence[tuple[str, ...]]) -> list[float]:
    mean = sum(map(len, texts)) / len(texts) or 1.0
    scores = []
    for text in texts:
        counts = Counter(stem for stem in text if stem in rarity)
        norm = 1.2 * (0.25 + 0.75 * len(text) / mean)
        scores.append(sum(rarity[stem] * n * 2.2 / (n + norm) for stem, n in counts.items()))
    return scores


def _carried(scores: Sequence[float], among: Sequence[Candidate], follows: re.Pattern[str]) -> list[float]:
    """`It makes 96 dB(A)` speaks of what the sentence before it names, and inherits most of its score; so does each
    step of a procedure."""
    carried = list(scores)
    for i in range(1, len(among)):
        next_to = among[i].source == among[i - 1].source and among[i].place == among[i - 1].place + 1
        if next_to and follows.match(among[i].sentence.text):
            carried[i] = max(carried[i], CARRY * carried[i - 1])
    return carried


def _over_best(scores: Sequence[float]) -> list[float]:
    best = max(scores)
    return [score / best if best > 0 else 0.0 for score in scores]


def _stretched(scores: Sequence[float]) -> list[float]:
    low, high = min(scores), max(scores)
    return [(score - low) / (high - low) if high > low else 0.0 for score in scores]


def dot(a: Vector, b: Vector) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def padded(text: str) -> str:
    """Folded words between spaces, so that `in` finds whole words only."""
    return f" {' '.join(words(text))} "


def short_title(title: str) -> str:
    """Without a trailing explanation in brackets: texts name things without it."""
    return title.split(" (")[0]


def _links(text: str, titles: Sequence[str], own: int, asked: str) -> bool:
    return any(
        t.strip() and t in text and t not in asked for i, t in enumerate(titles) if i != own and t != titles[own]
    )


def _named(asked: str, titles: Sequence[str], passages: Sequence[Passage]) -> list[float]:
    """1 for a passage whose title the question names, `HOP` of that for one named there, and so on."""
    texts = [padded(passage.text) for passage in passages]
    named = [1.0 if title.strip() and title in asked else 0.0 for title in titles]
    for hop in range(1, HOPS + 1):
        opened = [text for text, value in zip(texts, named, strict=True) if value == HOP ** (hop - 1)]
        for i, title in enumerate(titles):
            if not named[i] and title.strip() and any(title in text for text in opened):
                named[i] = HOP**hop
    return named
