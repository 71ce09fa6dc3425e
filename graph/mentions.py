"""Which entities a text mentions: known names by longest match, and capitalised phrases nobody has named yet.

A name of one word is often a word like any other (`Home`, `It`). It is a mention only where it is written with a
capital; where it is written without one, that is told too (`plain`), and the store leaves a name alone that is
mostly a plain word.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from graph.names import Word, words

_Node: TypeAlias = "dict[str, _Node]"
_END = ""  # no word is empty
_SURE_WORDS = 4  # a name this long needs no capital
_PHRASE_WORDS = 8

_INNER_WORDS = "of the de da di do du del della des der den van von ter ten te la le el al bin ibn y"
_OPENING_WORDS = """
a an the this that these those it its he she they his her their we our you your i my in on at by for from to of
with as and or but if when while where after before since during until under over between both each every all
some many most other another such no not only also then there here however although though because so thus what
who which why how one two three see note never always
de het een dit dat deze die hij zij ze wij we u uw hun zijn haar ik mijn in op aan bij van voor uit naar met als en
of maar indien wanneer waar na sinds tijdens onder over tussen elk elke alle sommige veel meer andere geen niet
ook dan daar er hier echter hoewel omdat dus wat wie welke waarom hoe twee drie zie nooit altijd
"""
_CALENDAR_WORDS = """
january february march april may june july august september october november december
monday tuesday wednesday thursday friday saturday sunday
januari februari maart mei juni juli augustus oktober
maandag dinsdag woensdag donderdag vrijdag zaterdag zondag
"""
_INNER = frozenset(_INNER_WORDS.split())
_OPENERS = frozenset(_OPENING_WORDS.split())
_CALENDAR = frozenset(_CALENDAR_WORDS.split())


@dataclass(frozen=True, slots=True)
class Span:
    """The entity `entity`, written as `name`, at [start, end) of the text."""

    entity: str
    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Found:
    """`spans`: the first place of each entity that the text mentions, names before phrases, each in order.
    `plain`: the names of one word that stand in it without a capital."""

    spans: tuple[Span, ...]
    plain: frozenset[str]


class NameTrie:
    """Folded names by word: the longest one that starts at a word is found in as many steps as it has words."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._root: _Node = {}
        for name in names:
            self.add(name)

    def add(self, name: str) -> bool:
        """Whether it was not in yet."""
        node = self._root
        for word in name.split():
            node = node.setdefault(word, {})
        new = node is not self._root and _END not in node
        if new:
            node[_END] = {}
        return new

    def __contains__(self, name: str) -> bool:
        node: _Node | None = self._root
        for word in name.split():
            node = node.get(word) if node else None
        return bool(name) and node is not None and _END in node

    def longest(self, found: Sequence[Word], at: int) -> int:
        """How many words the longest name that starts at word `at` has; 0 when none does."""
        node, longest = self._root, 0
        for index in range(at, len(found)):
            following = node.get(found[index].folded)
            if following is None:
                break
            node = following
            if _END in node:
                longest = index + 1 - at
        return longest


def find(text: str, names: NameTrie) -> Found:
    """The mentions in one passage's text."""
    found = list(words(text))
    spans: dict[str, Span] = {}
    plain: set[str] = set()
    for start, end in _named(found, names):
        span = _span(text, found, start, end)
        if end - start == 1 and not found[start].capital:
            plain.add(span.entity)
        elif _is_name(found, start, end):
            spans.setdefault(span.entity, span)
    for start, end in _phrases(text, found):
        span = _span(text, found, start, end)
        spans.setdefault(span.entity, span)
    return Found(tuple(spans.values()), frozenset(plain))


@dataclass(frozen=True, slots=True)
class Asked:
    """A known name in a question: its number of words, and whether it is written with a capital there."""

    entity: str
    words: int
    capital: bool


def names_in(question: str, names: NameTrie) -> list[Asked]:
    """The known names in a question, the longest where they overlap, in order. People ask in lower case, so names
    of several words need no capital; one of a single word does, and must not be a function word."""
    found = list(words(question))
    asked = [
        Asked(_entity(found, start, end), end - start, any(word.capital for word in found[start:end]))
        for start, end in _named(found, names)
        if end - start > 1 or (found[start].capital and found[start].folded not in _OPENERS)
    ]
    return list(dict.fromkeys(asked))


def runs(question: str, *, longest: int = 8) -> list[str]:
    """Every run of up to `longest` words of a question, folded: what to look up among the known names."""
    found = list(words(question))
    return list(
        dict.fromkeys(
            _entity(found, start, end)
            for start in range(len(found))
            for end in range(start + 1, min(start + longest, len(found)) + 1)
        )
    )


def _named(found: Sequence[Word], names: NameTrie) -> Iterator[tuple[int, int]]:
    at = 0
    while at < len(found):
        length = names.longest(found, at)
        if length:
            yield at, at + length
        at += length or 1


def _is_name(found: Sequence[Word], start: int, end: int) -> bool:
    first = found[start]
    if end - start == 1:
        return first.capital
    return first.capital or end - start >= _SURE_WORDS or (first.folded[0].isdigit() and found[end - 1].capital)


def _phrases(text: str, found: Sequence[Word]) -> Iterator[tuple[int, int]]:
    """Runs of capitalised words on one line, joined by small words inside (`Bank of England`) and by hyphens
    (`P-101`); what only opens a sentence and dates are left out."""
    at = 0
    while at < len(found):
        if not found[at].capital:
            at += 1
            continue
        end = _phrase_end(text, found, at)
        start = at
        while start < end and _is_opener(text, found, start) and _opens(text, found, at):
            start += 1
        if start < end and _tells_something(text, found, start, end):
            yield start, end
        at = end


def _phrase_end(text: str, found: Sequence[Word], at: int) -> int:
    """Just after the last word of the phrase that starts at word `at`."""
    end = index = at + 1
    while index < len(found) and index - at < _PHRASE_WORDS:
        word, gap = found[index], text[found[index - 1].end : found[index].start]
        numbered = word.folded[0].isdigit() and index == end and gap == "-"
        if numbered or (word.capital and _joins(found[index - 1], gap)):
            end = index + 1
        elif not (word.folded in _INNER and gap == " "):
            break
        index += 1
    return end


def _joins(before: Word, gap: str) -> bool:
    initial = before.end - before.start == 1 and before.capital
    return gap in {" ", "-", "'", "’", "&", " & "} or (initial and gap in {". ", "."})


def _is_opener(text: str, found: Sequence[Word], at: int) -> bool:
    """Whether it is a small word before a space: the `A` of `A-11` is not."""
    return found[at].folded in _OPENERS and not text.startswith("-", found[at].end)


def _opens(text: str, found: Sequence[Word], at: int) -> bool:
    """Whether word `at` is the first of a sentence, a line or a table's cell."""
    if at == 0:
        return True
    gap = text[found[at - 1].end : found[at].start]
    return any(c in '.!?:;|\n"“«*' for c in gap)


def _tells_something(text: str, found: Sequence[Word], start: int, end: int) -> bool:
    first = found[start]
    if first.folded in _CALENDAR:
        return False
    if end - start > 1:
        return True
    surface = text[first.start : first.end]
    if len(surface) < 2 or first.folded in _OPENERS:
        return False
    has_shape = any(c.isdigit() or c.isupper() for c in surface[1:])
    return has_shape or not _opens(text, found, start)


def _span(text: str, found: Sequence[Word], start: int, end: int) -> Span:
    first, last = found[start].start, found[end - 1].end
    return Span(_entity(found, start, end), " ".join(text[first:last].split()), first, last)


def _entity(found: Sequence[Word], start: int, end: int) -> str:
    return " ".join(word.folded for word in found[start:end])
