"""What can be told of a sentence's worth as an answer, each between 0 and 1. Pure.

    rank         1 / (1 + place of its passage in the retrieval order)
    position     1 / (1 + place in the passage): documents open with what they are about
    lexical      BM25 (k1 1.2, b 0.75) of the question's content stems over the context's sentences, over the best
    meaning      cosine of question and sentence, stretched over the context's own range; 0 without vectors
    leads_on     names another passage's title that the question does not: a step to that passage
    linked       another passage, of high rank, names its title; both the less, the more do so in this context
    named        a chain of names leads from the question to its passage: 1 where the question names its title, less
                 for each step beyond
    ends         a chain of names leads to its passage, and none on from there
    sort         holds the sort of thing that the question asks for: a date, a number, a person
    sort_ends    `sort`, where a chain ends
    relation     has words for the relations that the question names, the rarer in the context the more
    relation_on  the same of those that no step of a chain has said yet, where another passage links to it
    fresh        phrases with a capital that are neither in the question nor in its title: three are enough

Nothing here depends on the scale of the passages' scores. A sentence is taken together with its title, for `It was
founded in 1921` says nothing without it.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chatserver.models.chains import Chains, padded
from chatserver.models.cues import relations_of, sort_of
from chatserver.models.sentences import Sentence, split
from retrieval.text import Language, content_stems, fold, words
from retrieval.types import Passage

CARRY = 0.8
"""What a sentence that starts with a pronoun inherits of the lexical score of the one before it."""
ENOUGH = 3

_PRONOUN = re.compile(
    r"(?:He|She|It|Its|They|This|That|These|His|Her|Their|Hij|Zij|Ze|Het|Dit|Dat|Deze|Die|Zijn|Haar|Hun|Daarna)\b"
)
_ANYTHING = re.compile("")
_PROCEDURE = re.compile(
    r"\bhow (?:do|does|to|can|should|must)\b|\bwhat (?:must|should|has to|do|is done)\b|\bremed(?:y|ies)\b|\bsteps?\b|"
    r"\bwat (?:moet|moeten|doe|doen|te doen)\b|\bhoe (?:moet|kan|wordt|worden)\b|\bstappen\b"
)
_PHRASE = re.compile(r"[A-Z0-9][\w'’.-]*(?: (?:of |the |de |van )?[A-Z][\w'’-]*)*")


@dataclass(frozen=True, slots=True)
class Candidate:
    """Sentence `place` of passage `source` (both from 0)."""

    source: int
    place: int
    sentence: Sentence
    stems: tuple[str, ...]
    """Of the sentence alone, function words left out."""
    title_stems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Features:
    rank: float
    position: float
    lexical: float
    meaning: float
    leads_on: float
    linked: float
    named: float
    ends: float
    sort: float
    sort_ends: float
    relation: float
    relation_on: float
    fresh: float


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


def features(
    question: str,
    language: Language,
    passages: Sequence[Passage],
    among: Sequence[Candidate],
    cosines: Sequence[float] | None,
) -> list[Features]:
    """One for each candidate. `cosines` are those of the question and each candidate with its title."""
    if not among:
        return []
    lexical = _lexical(question, language, among)
    meaning = _stretched(cosines) if cosines else [0.0] * len(among)
    chains = Chains(question, passages)
    leads_on = [chains.leads_on(padded(c.sentence.text), c.source) for c in among]
    link = _telling(sum(leads_on), len(among))
    linked = _telling(sum(value > 0 for value in chains.linked), len(passages))
    going_on = {c.source for c, leads in zip(among, leads_on, strict=True) if leads}
    sort = sort_of(fold(question))
    relation, relation_on = _relations(question, among, [chains.named[c.source] == 1 for c in among], leads_on)
    rows = []
    for i, c in enumerate(among):
        ends = float(chains.named[c.source] > 0 and c.source not in going_on)
        has_sort = float(sort is not None and sort.answer.search(c.sentence.text) is not None)
        rows.append(
            Features(
                rank=1 / (1 + c.source),
                position=1 / (1 + c.place),
                lexical=lexical[i],
                meaning=meaning[i],
                leads_on=leads_on[i] * link,
                linked=chains.linked[c.source] * linked,
                named=chains.named[c.source],
                ends=ends,
                sort=has_sort,
                sort_ends=has_sort * ends,
                relation=relation[i],
                relation_on=relation_on[i] * chains.linked[c.source] * linked,
                fresh=_fresh(c, chains),
            )
        )
    return rows


def rarity_of(question: str, language: Language, among: Sequence[Candidate]) -> dict[str, float]:
    """Of the question's content stems, in its decided language and in the one that its words look like, over the
    context's sentences and their titles."""
    wanted = set(content_stems(question, language)) | set(content_stems(question))
    frequency = Counter(stem for c in among for stem in wanted.intersection(c.title_stems + c.stems))
    return {stem: _rarity(df, len(among)) for stem, df in frequency.items()}


def asks_for_steps(question: str) -> bool:
    """Steps stand together: neighbours count, and one passage may fill the answer."""
    return _PROCEDURE.search(fold(question)) is not None


def _lexical(question: str, language: Language, among: Sequence[Candidate]) -> list[float]:
    scores = _bm25(rarity_of(question, language, among), [c.title_stems + c.stems for c in among])
    return _carried(_over_best(scores), among, _ANYTHING if asks_for_steps(question) else _PRONOUN)


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


def _relations(
    question: str, among: Sequence[Candidate], asked: Sequence[bool], leads_on: Sequence[bool]
) -> tuple[list[float], list[float]]:
    """For each candidate the share of the question's relations that it speaks of, by their rarity; and the share of
    those that the first steps of the chains (sentences that lead on from what the question names) leave open."""
    relations = relations_of(fold(question))
    spoken = [{r for r, cue in enumerate(relations) if cue.answer.search(c.sentence.text)} for c in among]
    frequency = Counter(r for had in spoken for r in had)
    weights = {r: _rarity(frequency[r], len(among)) for r in range(len(relations))}
    said = {r for had, named, leads in zip(spoken, asked, leads_on, strict=True) if named and leads for r in had}
    still_open = {r: weight for r, weight in weights.items() if r not in said} or weights
    return [_share(had, weights) for had in spoken], [_share(had, still_open) for had in spoken]


def _share(had: set[int], weights: Mapping[int, float]) -> float:
    return sum(weights[r] for r in had if r in weights) / (sum(weights.values()) or 1.0)


def _rarity(frequency: int, total: int) -> float:
    """Inverse document frequency as BM25 has it (Robertson and Zaragoza, 2009), over the context's sentences."""
    return math.log(1 + (total - frequency + 0.5) / (frequency + 0.5))


def _telling(frequency: int, total: int) -> float:
    """How much it tells to be one of so many, 0 to 1: where every sentence names another title, none leads anywhere."""
    return _rarity(frequency, total) / _rarity(0, total)


def _fresh(candidate: Candidate, chains: Chains) -> float:
    phrases = {padded(phrase) for phrase in _PHRASE.findall(candidate.sentence.text)}
    return min(sum(chains.is_new(phrase, candidate.source) for phrase in phrases), ENOUGH) / ENOUGH


def _over_best(scores: Sequence[float]) -> list[float]:
    best = max(scores)
    return [score / best if best > 0 else 0.0 for score in scores]


def _stretched(scores: Sequence[float]) -> list[float]:
    low, high = min(scores), max(scores)
    return [(score - low) / (high - low) if high > low else 0.0 for score in scores]
