"""What can be told of a sentence's worth as an answer, each between 0 and 1. Pure.

    lexical    BM25 (k1 1.2, b 0.75) of the question's content stems over the context's sentences, over the best
    meaning    cosine of question and sentence, stretched over the context's own range; 0 without vectors
    rank       the passage's place in the retrieval order, 1 / (1 + place / 4)
    position   1 / (1 + place in the passage): documents open with what they are about
    link       names another passage's title that the question does not: a step to that passage
    named      its title stands in the question, or in a passage whose title does, and so on
    asked      holds the sort of thing that the question asks for: a date, a number, a person

A sentence is taken together with its title, for `It was founded in 1921` says nothing without it.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chatserver.models.sentences import Sentence, split
from retrieval.text import Language, content_stems, fold, words
from retrieval.types import Passage, Vector

CARRY = 0.8
"""What a sentence that starts with a pronoun inherits of the lexical score of the one before it."""
HOP = 0.8
HOPS = 3
"""How far a chain of names is followed from the question, and what each step keeps."""


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


@dataclass(frozen=True, slots=True)
class Features:
    lexical: float
    meaning: float
    rank: float
    position: float
    link: float
    named: float
    asked: float


def features(
    question: str,
    rarity: Mapping[str, float],
    passages: Sequence[Passage],
    among: Sequence[Candidate],
    vectors: Sequence[Vector] | None,
) -> list[Features]:
    """One for each candidate. `rarity` is that of the question's stems; `vectors` are unit vectors: the question's,
    then one for each candidate."""
    follows = _ANYTHING if PROCEDURE.search(fold(question)) else _PRONOUN
    lexical = _carried(_over_best(_bm25(rarity, [c.title_stems + c.stems for c in among])), among, follows)
    meaning = _stretched([_dot(vectors[0], vector) for vector in vectors[1:]]) if vectors else [0.0] * len(among)
    titles = [padded(short_title(passage.title)) for passage in passages]
    asked = padded(question)
    named = _named(asked, titles, passages)
    sort = next((sort for sort in _SORTS if sort.question.search(fold(question))), None)
    return [
        Features(
            lexical=lexical[i],
            meaning=meaning[i],
            rank=1 / (1 + c.source / 4),
            position=1 / (1 + c.place),
            link=float(_links(padded(c.sentence.text), titles, c.source, asked)),
            named=named[c.source],
            asked=float(sort is not None and sort.answer.search(c.sentence.text) is not None),
        )
        for i, c in enumerate(among)
    ]


def wanted_stems(question: str, language: Language) -> set[str]:
    """The question's content stems, in its decided language and in the one that its words look like."""
    return set(content_stems(question, language)) | set(content_stems(question))


def rarity_of(wanted: set[str], among: Sequence[Candidate]) -> dict[str, float]:
    """Inverse document frequency over the context's sentences, of the wanted stems that occur there."""
    frequency = Counter(stem for c in among for stem in wanted.intersection(c.title_stems + c.stems))
    return {stem: math.log(1 + (len(among) - df + 0.5) / (df + 0.5)) for stem, df in frequency.items()}


@dataclass(frozen=True, slots=True)
class _Sort:
    """A sort of thing that a question asks for, and how a sentence shows that it has one."""

    question: re.Pattern[str]
    answer: re.Pattern[str]


_PRONOUN = re.compile(
    r"(?:He|She|It|Its|They|This|That|These|His|Her|Their|Hij|Zij|Ze|Het|Dit|Dat|Deze|Die|Zijn|Haar|Hun|Daarna)\b"
)
_ANYTHING = re.compile("")
PROCEDURE = re.compile(
    r"\bhow (?:do|does|to|can|should|must)\b|\bwhat (?:must|should|has to|do|is done)\b|\bremed(?:y|ies)\b|\bsteps?\b|"
    r"\bwat (?:moet|moeten|doe|doen|te doen)\b|\bhoe (?:moet|kan|wordt|worden)\b|\bstappen\b"
)
"""A question for steps: they stand together, so neighbours count and one passage may fill the answer."""
_MONTHS = (
    "January|February|March|April|May|June|July|August|September|October|November|December|"
    "januari|februari|maart|april|mei|juni|juli|augustus|september|oktober|november|december"
)
_SORTS = (
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


def _dot(a: Vector, b: Vector) -> float:
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
