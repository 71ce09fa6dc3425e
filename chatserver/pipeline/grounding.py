"""How much of an answer rests on what it cites: each statement held against the sources that stand behind it.

A statement is a sentence of the answer that can be right or wrong: not a heading, not an introduction (`…:`), and not
one without a mark that says what the sources do not tell. Behind it stand the sources that its own line
cites; a statement in a line without a mark has none.

It is *supported* when none of its numbers is missing in these sources, and either they hold most of its words
(`WORDS`: the share of its content stems), or one of their sentences means the same: the cosine of the two vectors is
at least `COSINE`, and some of the words are shared (`FEW_WORDS`), since vectors of one subject lie near each other
whatever is said of it. Only what the words leave open is embedded. The three limits were measured on the pairs of
`tests/pipeline/grounding_pairs.py`, 26 paraphrases of the sample's passages and 26 statements that they do not carry:
25 of the one and 1 of the other count as supported. What it cannot see: a statement that denies its source in the
source's own words, and one in another language than its source, which counts as unsupported unless names carry it.

    data-grounding  {share, statements, supported, by, unsupported: [{start, end}]}

`share` is null where nothing is stated. `by` is `words`, or `words and vectors`. Offsets are code points of the text.
"""

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chatserver.models.composition import unmarked
from chatserver.models.sentences import split
from chatserver.pipeline.citations import Source, claims
from retrieval.errors import RetrievalError
from retrieval.ports import Embedder
from retrieval.scale import AskScale, cosine, reference
from retrieval.text import content_stems

WORDS = 0.75
FEW_WORDS = 0.25
COSINE = 0.65
MOST = 200
"""Statements that are looked at; the rest of a very long text is not."""
LONGEST = 100_000
"""Characters of the text that are looked at: a regular expression keeps all other threads waiting until it has done."""
_LONG = 1_000
"""Characters of a sentence in which it may say that the sources say nothing: the search takes time by their square."""

_MARK = re.compile(r"\[[0-9]{1,4}\]")
_NUMBER = re.compile(r"\d+")
_THOUSANDS = re.compile(r"(?<=\d)[, ](?=\d{3}(?!\d))")
_TWO_WORDS = re.compile(r"[^\W_][\W_]+[^\W_]")
_ABSENCE = re.compile(
    r"\b(?:sources?|documents?|passages?|records?|bron|bronnen|documenten|fragmenten|gegevens)\b[^.]*"
    r"\b(?:not|n't|no|nothing|only|niet|niets|geen|maar gedeeltelijk)\b"
    r"|\bcould not be searched\b|\bkon nu niet worden gezocht\b|\bnot followed up\b|^niet verder uitgezocht\b"
    r"|\bnothing (?:more )?(?:was|is|could be) found\b|\bniets (?:gevonden|te vinden)\b"
    r"|^no [\w ]+ (?:is called|exists)\b|^geen [\w ]+ heet\b|\bhas no field\b|\bheeft geen veld\b"
    r"|^there (?:is|are) no \S+ (?:with|called)\b|^er (?:is|zijn) geen \S+ (?:met|die)\b|^there is:|^wel is er:",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Statement:
    """`text[start:end]`, its words without marks, and the numbers of the sources behind it."""

    start: int
    end: int
    words: str
    sources: tuple[int, ...]


def statements(text: str, sources: Sequence[Source]) -> list[Statement]:
    """The text's statements in their order, at most `MOST`, within its first `LONGEST` characters."""
    text = text[:LONGEST]
    cited = [(n, text.rfind("\n", 0, end) + 1) for n, _, end in claims(text) if 1 <= n <= len(sources)]
    titles = {title.casefold() for source in sources for title in (source.title, unmarked(source.title))}
    blanked = _MARK.sub(lambda mark: " " * len(mark[0]), text)
    found: list[Statement] = []
    for sentence in split(blanked, shortest=1):
        if len(found) == MOST:
            break
        absence = _ABSENCE.search(sentence.text[:_LONG]) and not _MARK.search(text, sentence.start, sentence.end)
        if _is_statement(sentence.text, titles) and not absence:
            line = text.rfind("\n", 0, sentence.start) + 1
            behind = tuple(dict.fromkeys(n for n, at in cited if at == line))
            end = sentence.start + len(blanked[sentence.start : sentence.end].rstrip())
            found.append(Statement(sentence.start, end, sentence.text, behind))
    return found


def _is_statement(words: str, titles: set[str]) -> bool:
    bare = words.strip(" *_#-–—:.“”\"'")
    is_said = _TWO_WORDS.search(bare) is not None and not words.rstrip(" *_").endswith(":")
    return is_said and bare.casefold() not in titles


@dataclass(frozen=True, slots=True)
class Behind:
    """The sources of one statement, taken apart."""

    words: frozenset[str]
    numbers: frozenset[str]
    sentences: tuple[str, ...]


def behind(sources: Iterable[Source]) -> Behind:
    texts = [f"{source.title}. {source.text}" for source in sources]
    said = [sentence.text for text in texts for sentence in split(text)]
    return Behind(frozenset(_stems(" ".join(texts))), _numbers(" ".join(texts)), tuple(said))


def shared(words: str, by: Behind) -> float:
    """The share of the statement's content stems that its sources hold; 0 when they lack one of its numbers."""
    if not by.words:
        return 0.0
    wanted = _stems(words)
    if not wanted or not _numbers(words) <= by.numbers:
        return 0.0
    return len(wanted & by.words) / len(wanted)


def _stems(words: str) -> frozenset[str]:
    """In both languages: a sentence of one may name things of the other."""
    return frozenset((*content_stems(words, "en"), *content_stems(words, "nl")))


def _numbers(words: str) -> frozenset[str]:
    """Runs of digits without leading zeros: `7,4` is `7.4`, and `2026-03-09` holds the numbers of `9 March 2026`."""
    joined = _THOUSANDS.sub("", words)
    return frozenset(run.lstrip("0") or "0" for run in _NUMBER.findall(joined))


class Grounding:
    """`limit_s` is for the vectors of one answer; without them, or an embedder, the words alone decide."""

    def __init__(self, embedder: Embedder | None = None, scale: AskScale = reference, *, limit_s: float = 1.0) -> None:
        self._embedder = embedder
        self._scale = scale
        self._limit_s = limit_s

    async def of(self, text: str, sources: Sequence[Source]) -> Mapping[str, Any]:
        """The payload of `data-grounding`. Never fails."""
        found, behinds, shares = await asyncio.to_thread(_weighed, text, sources)
        supported = {n for n, share in enumerate(shares) if share >= WORDS}
        left = [n for n, share in enumerate(shares) if FEW_WORDS <= share < WORDS]
        meant = await self._meant([(found[n].words, behinds[n].sentences) for n in left]) if left else []
        supported |= {n for n, nearest in zip(left, meant, strict=False) if nearest >= COSINE}
        return {
            "share": round(len(supported) / len(found), 3) if found else None,
            "statements": len(found),
            "supported": len(supported),
            "by": "words and vectors" if meant else "words",
            "unsupported": [{"start": one.start, "end": one.end} for n, one in enumerate(found) if n not in supported],
        }

    async def _meant(self, pairs: Sequence[tuple[str, Sequence[str]]]) -> list[float]:
        """Of each statement the cosine to the nearest sentence of its sources, as the default embedder's; empty when
        there are no vectors."""
        texts = list(dict.fromkeys(text for words, said in pairs for text in (words, *said)))
        if self._embedder is None:
            return []
        try:
            async with asyncio.timeout(self._limit_s):
                vectors, scale = await self._embedder.embed(texts), await self._scale()
        except (RetrievalError, TimeoutError):
            return []
        of = dict(zip(texts, vectors, strict=True))
        nearest = [max((cosine(of[words], of[sentence]) for sentence in said), default=0.0) for words, said in pairs]
        return [scale.as_default(one) for one in nearest]


def _weighed(text: str, sources: Sequence[Source]) -> tuple[list[Statement], list[Behind], list[float]]:
    found = statements(text, sources)
    known = {numbers: behind(sources[n - 1] for n in numbers) for numbers in {one.sources for one in found}}
    behinds = [known[one.sources] for one in found]
    return found, behinds, [shared(one.words, by) for one, by in zip(found, behinds, strict=True)]
