"""Which entities a text mentions: known names by longest match, and capitalised phrases nobody has named yet.

A name of one word is often a word like any other (`Home`, `It`). It is a mention only where it is written with a
capital; where it is written without one, that is told too (`plain`), and the store leaves a name alone that is
mostly a plain word.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress, count
from typing import NamedTuple, TypeAlias

from graph.names import Words, words

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
_JOINING = frozenset((" ", "-", "'", "’", "&", " & "))
_OPENING = frozenset('.!?:;|\n"“«*')


class Span(NamedTuple):
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
        self._names: set[str] = set()
        for name in names:
            self.add(name)

    def add(self, name: str) -> bool:
        """Whether it was not in yet. A name without a word is none."""
        parts = name.split()
        if not parts or name in self._names:
            return False
        self._names.add(name)
        node = self._root
        for word in parts:
            node = node.setdefault(word, {})
        node[_END] = {}
        return True

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def longest(self, folded: Sequence[str]) -> Iterator[tuple[int, int]]:
        """The names in a text of these words, each as [start, end): where several start at a word the longest, and
        none that overlaps one before it."""
        last, free = len(folded), 0
        for start, node in enumerate(map(self._root.get, folded)):
            if node is None or start < free:
                continue
            end = start + 1
            while node is not None:
                if _END in node:
                    free = end
                node = node.get(folded[end]) if end < last else None
                end += 1
            if start < free:
                yield start, free


def find(text: str, names: NameTrie) -> Found:
    """The mentions in one passage's text."""
    found = words(text)
    spans: dict[str, Span] = {}
    plain: set[str] = set()
    for start, end in names.longest(found.folded):
        entity = _entity(found, start, end)
        if end - start == 1 and not found.capital[start]:
            plain.add(entity)
        elif entity not in spans and _is_name(found, start, end):
            spans[entity] = _span(entity, found, start, end)
    for start, end in _phrases(found):
        entity = _entity(found, start, end)
        if entity not in spans:
            spans[entity] = _span(entity, found, start, end)
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
    found = words(question)
    asked = [
        Asked(_entity(found, start, end), end - start, any(found.capital[start:end]))
        for start, end in names.longest(found.folded)
        if end - start > 1 or (found.capital[start] and found.folded[start] not in _OPENERS)
    ]
    return list(dict.fromkeys(asked))


def runs(question: str, *, longest: int = 8) -> list[str]:
    """Every run of up to `longest` words of a question, folded: what to look up among the known names."""
    found = words(question)
    last = len(found.folded)
    return list(
        dict.fromkeys(
            _entity(found, start, end)
            for start in range(last)
            for end in range(start + 1, min(start + longest, last) + 1)
        )
    )


def _is_name(found: Words, start: int, end: int) -> bool:
    capital = found.capital
    if end - start == 1:
        return capital[start]
    return capital[start] or end - start >= _SURE_WORDS or (found.folded[start][0].isdigit() and capital[end - 1])


def _phrases(found: Words) -> Iterator[tuple[int, int]]:
    """Runs of capitalised words on one line, joined by small words inside (`Bank of England`) and by hyphens
    (`P-101`); what only opens a sentence and dates are left out."""
    end = 0
    for at in compress(count(), found.capital):
        if at < end:
            continue
        end = _phrase_end(found, at)
        start = at
        while start < end and _is_opener(found, start) and _opens(found, at):
            start += 1
        if start < end and _tells_something(found, start, end):
            yield start, end


def _phrase_end(found: Words, at: int) -> int:
    """Just after the last word of the phrase that starts at word `at`."""
    end = at + 1
    for index in range(at + 1, min(at + _PHRASE_WORDS, len(found.folded))):
        word, gap = found.folded[index], _gap(found, index)
        numbered = gap == "-" and index == end and word[0].isdigit()
        if numbered or (found.capital[index] and _joins(found, index - 1, gap)):
            end = index + 1
        elif gap != " " or word not in _INNER:
            break
    return end


def _gap(found: Words, at: int) -> str:
    """What stands before word `at`, which is not the first."""
    return found.text[found.ends[at - 1] : found.starts[at]]


def _joins(found: Words, before: int, gap: str) -> bool:
    """Whether a capitalised word goes on with the one before it."""
    if gap in _JOINING:
        return True
    initial = found.ends[before] - found.starts[before] == 1 and found.capital[before]
    return initial and gap in {". ", "."}


def _is_opener(found: Words, at: int) -> bool:
    """Whether it is a small word before a space: the `A` of `A-11` is not."""
    return found.folded[at] in _OPENERS and not found.text.startswith("-", found.ends[at])


def _opens(found: Words, at: int) -> bool:
    """Whether word `at` is the first of a sentence, a line or a table's cell."""
    return at == 0 or not _OPENING.isdisjoint(_gap(found, at))


def _tells_something(found: Words, start: int, end: int) -> bool:
    word = found.folded[start]
    if word in _CALENDAR:
        return False
    if end - start > 1:
        return True
    surface = found.text[found.starts[start] : found.ends[start]]
    if len(surface) < 2 or word in _OPENERS:
        return False
    return _has_shape(surface) or not _opens(found, start)


def _has_shape(surface: str) -> bool:
    """A digit or a capital inside: `NASA`."""
    return any(c.isdigit() or c.isupper() for c in surface[1:])


def _span(entity: str, found: Words, start: int, end: int) -> Span:
    first, last = found.starts[start], found.ends[end - 1]
    return Span(entity, " ".join(found.text[first:last].split()), first, last)


def _entity(found: Words, start: int, end: int) -> str:
    return " ".join(found.folded[start:end])
