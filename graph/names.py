"""Names: what a document or a record is called by, and the folding under which two spellings are one entity."""

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import accumulate, compress
from operator import ne
from typing import NamedTuple

from graph.types import Entity, EntityKind, Record
from retrieval.text import fold

_WORD = re.compile(r"([^\W_]+)")
_MARK = re.compile(r"[\u0300-\u036f]")
_MARKED_WORD = re.compile(r"((?:[^\W_]+|[\u0300-\u036f]+)+)")  # a mark that stands apart belongs to its letter
_TRAILING_BRACKET = re.compile(r"\s*\([^()]*\)\s*$")
_RECORD_NAME_WORDS = 4
_TIME = re.compile(r"\d{4}-\d\d-\d\d")


class Words(NamedTuple):
    """The words of a text in order, as columns: an object for each word took longer than all that is done with them.
    Word `i` is `text[starts[i]:ends[i]]`, its folding `folded[i]` (never empty); `capital[i]`: it has an upper-case
    letter."""

    text: str
    folded: list[str]
    capital: list[bool]
    starts: list[int]
    ends: list[int]


def words(text: str) -> Words:
    """With their places in the text as it is (not in its folding)."""
    parts = _parts(text)  # what lies between words, and each word
    surfaces = parts[1::2]
    places = list(accumulate(map(len, parts)))
    lowered = list(map(str.lower, surfaces))
    folded = lowered if text.isascii() else list(map(_fold_word, surfaces))
    found = Words(text, folded, list(map(ne, surfaces, lowered)), places[:-1:2], places[1::2])
    return found if all(folded) else _without_empty(found)


def _parts(text: str) -> list[str]:
    marked = not text.isascii() and _MARK.search(text)
    return (_MARKED_WORD if marked else _WORD).split(text)


@lru_cache(maxsize=16_384)  # a few words are most of a text
def _fold_word(surface: str) -> str:
    return "".join(c for c in fold(surface) if c.isalnum())


def _without_empty(found: Words) -> Words:
    """Marks that stand alone fold to nothing."""
    text, folded, capital, starts, ends = found
    kept = list(map(bool, folded))
    return Words(
        text,
        list(compress(folded, kept)),
        list(compress(capital, kept)),
        list(compress(starts, kept)),
        list(compress(ends, kept)),
    )


def fold_name(name: str) -> str:
    """The id of the entity with this name; empty when the name has no word."""
    return " ".join(words(name).folded)


@lru_cache(maxsize=2_048)  # asked two or three times of each document in the two batches that are under way
def title_names(title: str) -> tuple[Entity, ...]:
    """What a document with this title is called: the title, the title without a trailing "(…)", and of that the
    part before a comma when it has two words or more. The first is the fullest."""
    short = _TRAILING_BRACKET.sub("", title).strip()
    head, comma, _ = short.partition(",")
    candidates = [title.strip(), short]
    if comma and len(words(head).folded) > 1:
        candidates.append(head.strip())
    return _entities(dict.fromkeys(candidates), "title")


def record_names(record: Record) -> dict[str, Entity]:
    """Field -> the name that stands in it, for the record's id and the texts that name a thing (`P-101`): at most
    four words, with a capital or a digit, not a time. An enumeration in lower case (`none`) names nothing."""
    found = {"id": record.id, **record.fields}
    named = {
        key: _entities([value], "record")
        for key, value in found.items()
        if isinstance(value, str) and _names_thing(value)
    }
    return {key: entities[0] for key, entities in named.items() if entities}


def _names_thing(value: str) -> bool:
    if _TIME.match(value) or len(value) > 80:
        return False
    capital = words(value).capital
    return len(capital) <= _RECORD_NAME_WORDS and any(capital)


def _entities(names: Iterable[str], kind: EntityKind) -> tuple[Entity, ...]:
    by_id: dict[str, str] = {}
    for name in names:
        by_id.setdefault(fold_name(name), name)
    return tuple(Entity(id, name, kind) for id, name in by_id.items() if id)
