"""Names: what a document or a record is called by, and the folding under which two spellings are one entity."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from graph.types import Entity, EntityKind, Record
from retrieval.text import fold

_WORD = re.compile(r"(?:[^\W_]+|[\u0300-\u036f]+)+")  # a mark that stands apart belongs to its letter
_TRAILING_BRACKET = re.compile(r"\s*\([^()]*\)\s*$")
_RECORD_NAME_WORDS = 4
_TIME = re.compile(r"\d{4}-\d\d-\d\d")


class Word(NamedTuple):
    """`text[start:end]` and its folding (never empty). `capital`: it has an upper-case letter."""

    start: int
    end: int
    folded: str
    capital: bool


def words(text: str) -> Iterator[Word]:
    """The words of a text in order, with their places in the text as it is (not in its folding)."""
    for match in _WORD.finditer(text):
        surface = match[0]
        folded = surface.lower() if surface.isascii() else _fold_word(surface)
        if folded:
            yield Word(match.start(), match.end(), folded, not surface.islower() and surface != surface.lower())


def _fold_word(surface: str) -> str:
    return "".join(c for c in fold(surface) if c.isalnum())


def fold_name(name: str) -> str:
    """The id of the entity with this name; empty when the name has no word."""
    return " ".join(word.folded for word in words(name))


@lru_cache(maxsize=512)  # asked two or three times of each document in a batch of an ingest
def title_names(title: str) -> tuple[Entity, ...]:
    """What a document with this title is called: the title, the title without a trailing "(…)", and of that the
    part before a comma when it has two words or more. The first is the fullest."""
    short = _TRAILING_BRACKET.sub("", title).strip()
    head, comma, _ = short.partition(",")
    candidates = [title.strip(), short]
    if comma and len(list(words(head))) > 1:
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
    found = list(words(value))
    return 0 < len(found) <= _RECORD_NAME_WORDS and any(word.capital for word in found)


def _entities(names: Iterable[str], kind: EntityKind) -> tuple[Entity, ...]:
    by_id: dict[str, str] = {}
    for name in names:
        by_id.setdefault(fold_name(name), name)
    return tuple(Entity(id, name, kind) for id, name in by_id.items() if id)
