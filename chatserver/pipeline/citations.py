"""`[n]` marks in an answer's text: kept when source n exists, removed when it does not, and turned into citations.

Text arrives in arbitrary pieces, so a mark may be split over them (`[`, `1`, `]`). `Marks` lets text through as soon
as it can no longer become a mark; however a text is split, what comes out in total is the same. Citations are then
a function of the finished text alone.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from chatserver.models.sentences import split
from chatserver.protocol.chunks import Citation, citation
from retrieval.text import stems

LONGEST_CLAIM = 1000
"""Characters that a mark reaches back at most."""

_MARK = re.compile(r" ?\[([0-9, ]{1,24})\]")
_UNFINISHED = re.compile(r" ?(?:\[[0-9, ]{0,24})?\Z")
_KEPT = re.compile(r"\[([0-9]{1,4})\]")
_BULLET = re.compile(r"[ \t]*(?:(?:[-*+•>]|[0-9]{1,3}[.)])[ \t]+)*")


@dataclass(frozen=True, slots=True)
class Source:
    """Something that a mark can point to; `text` is its own words."""

    id: str
    text: str
    title: str = ""
    media_type: str = "text/plain"


class Marks:
    """Filters the marks of one text. `[1, 2]` becomes `[1][2]`; `dropped` counts the marks that pointed nowhere."""

    def __init__(self, sources: int) -> None:
        self.dropped = 0
        self._sources = sources
        self._held = ""

    def feed(self, delta: str) -> str:
        """What can be shown now; it may be empty."""
        text = self._held + delta
        if "[" not in text:  # nearly always
            self._held = " " if text.endswith(" ") else ""
            return text[:-1] if self._held else text
        unfinished = _UNFINISHED.search(text)
        cut = unfinished.start() if unfinished else len(text)
        self._held = text[cut:]
        return _MARK.sub(self._checked, text[:cut])

    def finish(self) -> str:
        """What was held back."""
        held, self._held = self._held, ""
        return held

    def _checked(self, mark: re.Match[str]) -> str:
        numbers = [int(number) for number in re.findall(r"[0-9]+", mark[1])]
        if not numbers:
            return mark[0]
        known = [number for number in numbers if 1 <= number <= self._sources]
        self.dropped += len(numbers) - len(known)
        if not known:
            return ""
        return (" " if mark[0].startswith(" ") else "") + "".join(f"[{number}]" for number in known)


def citations(text: str, sources: Sequence[Source]) -> list[Citation]:
    """One citation for each mark of a finished text, in order. Offsets count code points of `text` and cover the
    sentence before the mark; the quote is the sentence of the source that shares most words with it."""
    quotes = [_Quotes(source.text) for source in sources]
    return [
        _citation(sources[n - 1], start, end, quotes[n - 1].nearest(text[start:end]))
        for n, start, end in claims(text)
        if 1 <= n <= len(sources)
    ]


def _citation(source: Source, start: int, end: int, quote: str) -> Citation:
    return citation(source.id, source.title, start, end, quote, source.media_type)


def claims(text: str) -> Iterator[tuple[int, int, int]]:
    """`(n, start, end)` for each mark: `text[start:end]` is what it stands behind. Marks without words between them
    stand behind the same words."""
    start, end, after = 0, 0, 0
    for mark in _KEPT.finditer(text):
        if text[after : mark.start()].strip(" \t.,;:!?"):
            start, end = _claim(text, mark.start())
        after = mark.end()
        yield int(mark[1]), start, end


def _claim(text: str, before: int) -> tuple[int, int]:
    """The last sentence of `text[:before]`'s last line, reaching back to its start even over an earlier mark inside
    it."""
    line = max(text.rfind("\n", 0, before) + 1, before - LONGEST_CLAIM)
    bullet = _BULLET.match(text, line, before)
    line = bullet.end() if bullet else line
    # An earlier mark is blanked by as many spaces, so that offsets hold and it does not hide a sentence's end.
    words = _KEPT.sub(lambda mark: " " * len(mark[0]), text[line:before])
    sentences = split(words, shortest=1)
    if not sentences:  # a heading or a rule
        return line, line + len(text[line:before].rstrip())
    last = sentences[-1]
    return line + last.start, line + last.start + len(words[last.start : last.end].rstrip())


class _Quotes:
    """One source's sentences, taken apart once however often it is cited."""

    def __init__(self, source: str) -> None:
        self._source = source

    @cached_property
    def _sentences(self) -> list[tuple[str, frozenset[str]]]:
        return [(self._source[s.start : s.end], frozenset(stems(s.text))) for s in split(self._source)]

    def nearest(self, claim: str) -> str:
        """An exact part of the source: the sentence with the greatest Jaccard overlap; empty when it has none."""
        wanted = frozenset(stems(claim))
        return max(
            self._sentences, key=lambda own: len(own[1] & wanted) / (len(own[1] | wanted) or 1), default=("", wanted)
        )[0]
