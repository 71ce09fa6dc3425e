"""The headings of a Markdown text. Pure."""

import re
from collections.abc import Iterator

_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(.+?)[ \t]*#*[ \t]*$")
_FENCE = re.compile(r"^ {0,3}(```|~~~)")


def headings(text: str) -> Iterator[tuple[int, str]]:
    """(offset of its line, words) of each ATX heading (`## Words`), those in fenced code left out."""
    place, fenced = 0, False
    for line in text.splitlines(keepends=True):
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced and (heading := _HEADING.match(line.rstrip("\r\n"))):
            yield place, heading[1]
        place += len(line)
