"""The headings of a Markdown text. Pure."""

import re
from collections.abc import Iterator

_MARKS = re.compile(r" {0,3}#{1,6}[ \t]")
_FENCE = re.compile(r" {0,3}(```|~~~)")
_BLANK = " \t"


def headings(text: str) -> Iterator[tuple[int, str]]:
    """(offset of its line, words) of each ATX heading (`## Words`), those in fenced code left out."""
    place, fenced = 0, False
    for line in text.splitlines(keepends=True):
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced and (marks := _MARKS.match(line)) and (words := _words(line[marks.end() :])):
            yield place, words
        place += len(line)


def _words(rest: str) -> str:
    """Without the closing marks. By hand: a regular expression takes the cube of a long line's length."""
    words = rest.rstrip("\r\n").strip(_BLANK)
    closed = words.rstrip("#")
    return closed.rstrip(_BLANK) or words
