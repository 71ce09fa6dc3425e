"""Does the context speak about what is asked? Rule-based, pure.

A question's content words are looked up in the titles and texts of the context. Names and codes (a capital inside the
sentence, a digit: `P-101`, `Bergen`) are what a question is about; when one of them is nowhere in the context, its
answer is not there either, however many ordinary words match.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from retrieval.text import LANGUAGES, STOP_WORDS, Language, fold, stems, words

_WORD = re.compile(r"[^\W_]+(?:[-./][^\W_]+)*")
_ASKING = """
tell show give list find explain describe please many much often long name called current currently status happen
happens mean means use used need needs kind type difference
vertel toon geef noem leg beschrijf graag huidige betekent gebruikt nodig soort heet vaak lang hoeveel
"""
_FRAMING = frozenset(_ASKING.split())
"""Words that ask rather than name: a text answers `how often` without saying `often`."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """`share` of the question's content words that the context has, 0 to 1, names and codes counted twice; `missing`
    as the question writes them, `missing_names` those of them that are names or codes."""

    share: float
    missing: tuple[str, ...]
    missing_names: tuple[str, ...]


def coverage(question: str, language: Language, texts: Iterable[str]) -> Coverage:
    """A question without content words is covered by anything."""
    asked = _content(question, language)
    known = _stems_of(" ".join(texts))
    total = sum(1 + is_name for is_name in asked.values())
    missing = [word for word in asked if not _known(word, known)]
    return Coverage(
        share=1 - sum(1 + asked[word] for word in missing) / total if total else 1.0,
        missing=tuple(missing),
        missing_names=tuple(word for word in missing if asked[word]),
    )


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
