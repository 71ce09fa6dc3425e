"""Text to sentences, with where they stand. Pure.

A passage may be prose, hard-wrapped prose, or Markdown. Headings, table rules and the heads of tables are no
sentences; a list item, a table row and a line of code is one by itself. A stop ends a sentence only if what follows
can start one, and not after an abbreviation, an initial or inside brackets, since a split in the wrong place makes a
quote that says nothing.

The text may be a stranger's or a model's, and a regular expression keeps every other thread waiting: no pattern here
takes time by the square of its text's length. So what they repeat is bounded where it could run to the end in vain.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

SHORTEST = 25
"""Characters: a shorter piece of prose joins its neighbour, since it says nothing alone."""
LONGEST_BRACKET = 400
"""Characters after which an open bracket is taken for one that was never closed."""

_NEAR = 40
"""Characters before a stop that tell whether it ends an abbreviation."""

_LIST_ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s+(?:\[[ xX]\]\s+)?")
_QUOTE_MARK = re.compile(r"\s*(?:>\s?)+")
_HEADING = re.compile(r"\s*#{1,6}\s")
_RULE_CHARACTERS = " \t\r\n:|-"
_UNDERLINE = re.compile(r"\s*[=_*-]{3,}\s*$")
_FENCE = re.compile(r"\s*(?:```|~~~)")

_STOP = re.compile(r"[.!?…][\"'”’»)\]]*\s+(?=[\"'“‘«(\[¿¡]*[^\W_a-z])")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[“\"'])"
    r"(?:[^\W\d_]|[^\W\d_](?:\.[^\W\d_])+|mr|mrs|ms|dr|prof|st|jr|sr|rev|gen|col|capt|lt|sgt|gov|sen|rep|hon|vs|cf|etc|"
    r"no|nos|nr|fig|figs|eq|ed|eds|vol|pp|ch|sec|approx|ca|dept|inc|ltd|co|corp|jan|feb|mar|apr|jun|jul|aug|sept|sep|"
    r"oct|nov|dec|bijv|bv|resp|max|min|dhr|mevr|mw|ir|ing|drs|mt|ft)\.$",
    re.IGNORECASE,
)
_SOURCE_MARK = re.compile(r"\s?\[[0-9]{1,3}(?:\s*,\s*[0-9]{1,3})*\]")
_LINK = re.compile(r"!?\[([^\]\[\n]*)\]\([^()\s]{0,2000}\)")
_EMPHASIS = re.compile(r"(\*{1,3}|~~|(?<!\w)_{1,3})(?=\S)(.{1,300}?)(?<=\S)(?:\1)(?!\w)")
_CODE = re.compile(r"`+([^`\n]+)`+")


@dataclass(frozen=True, slots=True)
class Sentence:
    """`source[start:end]`, and the same words without Markdown and line breaks."""

    text: str
    start: int
    end: int


def split(source: str, *, shortest: int = SHORTEST) -> list[Sentence]:
    """The sentences of `source` in order; they do not overlap."""
    found = []
    for start, end, prose in _blocks(source):
        for left, right in _cuts(source, start, end, shortest) if prose else ((start, end),):
            if text := plain(source[left:right]):
                found.append(Sentence(text, left, right))
    return found


def plain(markdown: str) -> str:
    """One line of the same words: no emphasis, code or link marks, and none of the source's own `[7]` marks, which
    would read as citations of ours."""
    text = _LINK.sub(r"\1", markdown) if "](" in markdown else markdown
    if "`" in text:
        text = _CODE.sub(r"\1", text)
    if "*" in text or "_" in text or "~~" in text:
        text = _EMPHASIS.sub(r"\2", text)
    if "[" in text:
        text = _SOURCE_MARK.sub("", text)
    if text.lstrip().startswith("|"):
        text = " · ".join(cell for cell in map(str.strip, text.split("|")) if cell)
    return " ".join(text.split())


def _blocks(source: str) -> Iterator[tuple[int, int, bool]]:
    """`(start, end, is prose)` of paragraphs, list items, table rows and code lines."""
    opened: tuple[int, int] | None = None
    in_code, position = False, 0
    lines = source.splitlines(keepends=True)
    for line, after in zip_longest(lines, lines[1:], fillvalue=""):
        start, position = position, position + len(line)
        fence = _FENCE.match(line)
        in_code ^= fence is not None
        alone = in_code or line.lstrip().startswith("|")
        item = _LIST_ITEM.match(line) or _QUOTE_MARK.match(line)
        ends = not line.strip() or fence or _HEADING.match(line) or _is_table_rule(line) or _UNDERLINE.match(line)
        if opened and (ends or alone or item):
            yield (*opened, True)
            opened = None
        if ends or (alone and not in_code and _is_table_rule(after)):  # the latter heads a table
            continue
        if alone:
            yield start, position, False
        elif item:
            opened = (start + item.end(), position)
        else:
            opened = (opened[0] if opened else start, position)
    if opened:
        yield (*opened, True)


def _cuts(source: str, start: int, end: int, shortest: int) -> Iterator[tuple[int, int]]:
    """Where the sentences of one paragraph lie, without the white space around them."""
    end = start + len(source[start:end].rstrip())
    left = start + len(source[start:end]) - len(source[start:end].lstrip())
    for stop in _STOP.finditer(source, left, end):
        right = stop.end() - len(stop.group()) + len(stop.group().rstrip())
        if right - left < shortest or end - stop.end() < shortest or not _ends(source, left, right):
            continue
        yield left, right
        left = stop.end()
    if left < end:
        yield left, end


def _ends(source: str, left: int, right: int) -> bool:
    if right - left <= LONGEST_BRACKET:
        sentence = source[left:right]
        opened = sentence.count("(") - sentence.count(")") + sentence.count("[") - sentence.count("]")
        return opened <= 0 and not _ABBREVIATION.search(sentence)
    return not _ABBREVIATION.search(source, right - _NEAR, right)


def _is_table_rule(line: str) -> bool:
    return "---" in line and not line.strip(_RULE_CHARACTERS)
