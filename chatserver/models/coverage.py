"""Does the context speak about what is asked? Pure.

A question's content words are looked up in the titles and texts of the context. Names and codes (a capital inside the
sentence, a digit: `P-101`, `Bergen`) are what a question is about; when one of them is nowhere in the context, its
answer is hardly there either, however many ordinary words match. From these, from the titles that the question names
and from what the ranking of sentences found, two logistic models (`weights`) tell how likely the context speaks of the
question's topic at all, and how likely it answers.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from chatserver.models.chains import padded, short_title
from chatserver.models.selection import Judged
from retrieval.text import LANGUAGES, STOP_WORDS, Language, fold, stems, word_stems, words
from retrieval.types import Passage

_WORD = re.compile(r"[^\W_]+(?:[-./][^\W_]+)*")
_NAME = re.compile(r"[A-Z0-9][\w'’.-]*(?: (?:(?:of|the|de|van|het) )?[A-Z0-9][\w'’.-]*)*")
_ASKING = """
tell show give list find explain describe please many much often long name called current currently status happen
happens mean means use used need needs kind type difference
vertel toon geef noem leg beschrijf graag huidige betekent gebruikt nodig soort heet vaak lang hoeveel
"""
_FRAMING = frozenset(_ASKING.split())
"""Words that ask rather than name: a text answers `how often` without saying `often`."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What of a question the context has, each from 0 to 1. `missing` are words as the question writes them,
    `missing_names` those that are names or codes.

        share     of its content words, names and codes counted twice
        together  the same of the one text that has most
        names     of its names as whole phrases; `share` when it has none
        pairs     of its neighbouring content words, how many stand side by side there
        titled    of its content words, how many belong to titles that it names
        entitled  of the title that it has most of, how much
    """

    share: float
    together: float
    names: float
    pairs: float
    titled: float
    entitled: float
    missing: tuple[str, ...]
    missing_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What tells an answered question from another: its coverage; of the sentences' worth the best, the greatest
    probability to hold the answer, and the best worth in another passage than the best sentence's; and `meaning`, the
    greatest cosine of the question and a sentence (`UNKNOWN` without vectors)."""

    share: float
    together: float
    names: float
    pairs: float
    titled: float
    entitled: float
    best: float
    answer: float
    beside: float
    meaning: float


UNKNOWN = 0.5
"""For a feature that there is nothing to tell from."""


def coverage(question: str, language: Language, passages: Sequence[Passage]) -> Coverage:
    """A question without content words is covered by anything."""
    asked = _content(question, language)
    texts = [f"{passage.title}\n{passage.text}" for passage in passages]
    titles = [title for passage in passages if (title := padded(short_title(passage.title))).strip()]
    known = [_stems_of(text) for text in texts]
    missing = [word for word in asked if not _known(word, frozenset().union(*known))]
    share = _share(asked, missing)
    names = _names(question, language)
    padded_texts = [padded(text) for text in texts]
    missing_phrases = [name for name in names if not any(padded(name) in text for text in padded_texts)]
    return Coverage(
        share=share,
        together=max((_share(asked, [w for w in asked if not _known(w, one)]) for one in known), default=share),
        names=1 - len(missing_phrases) / len(names) if names else share,
        pairs=_pairs(question, language, texts),
        titled=_titled(question, asked, titles),
        entitled=_entitled(question, titles),
        missing=tuple(missing),
        missing_names=tuple(word for word in missing if asked[word]),
    )


def evidence(covered: Coverage, among: Sequence[Judged], meaning: float) -> Evidence:
    best = max(among, key=lambda one: one.worth, default=None)
    beside = (one.worth for one in among if best and one.candidate.source != best.candidate.source)
    return Evidence(
        share=covered.share,
        together=covered.together,
        names=covered.names,
        pairs=covered.pairs,
        titled=covered.titled,
        entitled=covered.entitled,
        best=best.worth if best else 0.0,
        answer=max((one.answer for one in among), default=0.0),
        beside=max(beside, default=0.0),
        meaning=meaning,
    )


def _share(asked: Mapping[str, bool], missing: Sequence[str]) -> float:
    total = sum(1 + is_name for is_name in asked.values())
    return 1 - sum(1 + asked[word] for word in missing) / total if total else 1.0


def _pairs(question: str, language: Language, texts: Sequence[str]) -> float:
    wanted = list(pairwise(_telling(question, language)))
    known = {pair for text in texts for pair in pairwise(_telling(text, language))}
    return sum(pair in known for pair in wanted) / len(wanted) if wanted else UNKNOWN


def _telling(text: str, language: Language) -> list[str]:
    """Stems, in order, of what is neither a function word nor asks."""
    telling = (word for word in words(text) if word not in STOP_WORDS[language] and word not in _FRAMING)
    return [word_stems(word)[LANGUAGES.index(language)] for word in telling]


def _titled(question: str, asked: Collection[str], titles: Sequence[str]) -> float:
    """`titles` are padded."""
    wanted = {word for content in asked for word in words(content)}
    asked_for = padded(question)
    of_titles = {word for title in titles if title in asked_for for word in title.split()}
    return len(wanted & of_titles) / len(wanted) if wanted else UNKNOWN


def _entitled(question: str, titles: Sequence[str]) -> float:
    asked = set(words(question))
    return max(
        (len(asked.intersection(own)) / len(own) for title in titles if (own := set(title.split()))), default=0.0
    )


def _names(question: str, language: Language) -> list[str]:
    """Runs of words with a capital or a digit, without a function word that opens the question or stands alone."""
    found = []
    for match in _NAME.finditer(question):
        parts = match.group().split()
        if (match.start() == 0 or len(parts) == 1) and fold(parts[0]) in STOP_WORDS[language] | _FRAMING:
            parts = parts[1:]
        if parts:
            found.append(" ".join(parts))
    return found


def _content(question: str, language: Language) -> dict[str, bool]:
    """The content words as they are written -> whether each is a name or a code."""
    content = {}
    for place, match in enumerate(_WORD.finditer(question)):
        word = match.group()
        folded = fold(word)
        if folded in STOP_WORDS[language] or folded in _FRAMING or (len(folded) < 2 and not folded.isdigit()):
            continue
        content[word] = any(c.isdigit() for c in word) or (place > 0 and word[0].isupper())
    return content


def _known(word: str, known: frozenset[str]) -> bool:
    return all(any(stem in known for stem in _variants(part)) for part in words(word))


def _variants(word: str) -> list[str]:
    return [stem for language in LANGUAGES for stem in stems(word, language)]


def _stems_of(text: str) -> frozenset[str]:
    return frozenset(stem for language in LANGUAGES for stem in stems(text, language)) | frozenset(words(text))
