"""A question to the queries that answer it, or to the nearest names where it names what does not exist. Pure.

Beside the query over the one collection that a question names (`graph.records`) there is one rule over all of them:
a question for the current state (`what is the current status`, `huidige toestand`) asks every collection that tells
when something was (`t_start`, `timestamp`) for its newest record, and for the newest failing ones where a field tells
failures. Newest is by the records, not by the clock: they may end long ago.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches

from graph.fields import TIME
from graph.names import fold_name
from graph.planning.ids import codes_as_ids, named_by_id
from graph.records import Asked, asked_of, failing, time_field, values_named
from graph.types import Collection, RecordQuery
from retrieval.text import STOP_WORDS

_MOST_FAILING = 3
_STATE = r"status|state|condition|toestand|situatie|stand van zaken"
_NOW = r"current|currently|now|right now|at the moment|latest|huidige|actuele|nu|momenteel|op dit moment|laatste"
_IS = r"what is|what s|wat is|hoe is"
_CODE = re.compile(r"(?<![\w-])([A-Z]{1,4})-\d{1,5}(?![\w-])")
_CAMEL = re.compile(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+s?\b")
_NEAREST = 5


@dataclass(frozen=True, slots=True)
class Unknown:
    """A name in a question that the records don't have. `field` is the one that `name` would be a value of, empty
    when a field or a collection of this name is what lacks; `nearest` are names that exist."""

    name: str
    collection: str
    field: str
    nearest: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    queries: tuple[RecordQuery, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    maybe: bool = False
    """Whether the question may ask for no records at all: finding none then says nothing."""

    def __bool__(self) -> bool:
        return bool(self.queries or self.unknown)


def record_plan(question: str, collections: Mapping[str, Collection], now: datetime) -> Plan:
    """Empty when the question does not clearly ask for records, and names nothing that may be one's id."""
    if by_id := named_by_id(question, collections):
        return Plan((by_id,))
    asked = asked_of(question, collections, now)
    sure = asked is not None and asked.sure  # `state` may be the last word of a collection's name too
    if not sure and _asks_for_the_state(question):
        return Plan(tuple(_state(question, collections)))
    if asked is None:
        unknown = tuple(_no_collection(question, collections))
        return Plan((), unknown) if unknown else Plan(codes_as_ids(question, collections), maybe=True)
    collection = collections[asked.query.collection]
    unknown = (*_no_field(asked, collection), *_no_value(question, asked, collection))
    return Plan((), unknown) if unknown else Plan((asked.query,))


def _asks_for_the_state(question: str) -> bool:
    text = f" {fold_name(question)} "
    stated = re.search(rf" (?:{_STATE}) ", text) is not None
    now = re.search(rf" (?:{_NOW}) ", text) or re.search(rf" (?:{_IS})(?: \w+)? (?:{_STATE}) ", text)
    return stated and now is not None


def _state(question: str, collections: Mapping[str, Collection]) -> Iterable[RecordQuery]:
    named = {name: values_named(question, collection) for name, collection in collections.items()}
    if _CODE.search(question) and not any(named.values()):
        return  # of a thing that no record is about
    for name, collection in collections.items():
        when = time_field("", collection)
        if when is None or not _tells_when(when) or (any(named.values()) and not named[name]):
            continue
        yield RecordQuery(name, named[name], when, limit=1)
        if failure := failing(collection):
            yield RecordQuery(name, (*named[name], failure), when, limit=_MOST_FAILING)


def _tells_when(field: str) -> bool:
    """Not when something is due."""
    return bool({"start", "time", "timestamp", "at"} & set(field.lower().split("_")))


def _no_collection(question: str, collections: Mapping[str, Collection]) -> Iterable[Unknown]:
    for match in _CAMEL.finditer(question):
        nearest = get_close_matches(match[0], collections, n=_NEAREST, cutoff=0.7)
        if nearest:
            yield Unknown(match[0], "", "", tuple(nearest))


def _no_field(asked: Asked, collection: Collection) -> Iterable[Unknown]:
    if asked.no_field:
        fields = list(collection.fields)
        yield Unknown(asked.no_field, collection.name, "", tuple(nearest_names(asked.no_field, fields)))


def _no_value(question: str, asked: Asked, collection: Collection) -> Iterable[Unknown]:
    """A code written like the values of a field (`P-109` beside `P-101`), and a word right behind a field's name that
    is none of its values (`with status finished`)."""
    known = {value for values in collection.values.values() for value in values}
    for match in _CODE.finditer(question):
        alike = [field for field, values in collection.values.items() if any(_same_shape(match, v) for v in values)]
        if alike and match[0] not in known and "id" not in alike:
            near = [value for value in collection.values[alike[0]] if _same_shape(match, value)]
            yield Unknown(match[0], collection.name, alike[0], tuple(nearest_names(match[0], near)))
    for field, values in collection.values.items() if asked.sure else ():
        said = re.search(
            rf" {re.escape(fold_name(field.replace('_', ' ')))} (?:is |equal to |gelijk aan )?(\w+) ", asked.rest
        )
        word = said[1] if said else ""
        folded = [fold_name(value.replace("_", " ")) for value in values]
        known_word = any(value.startswith(word) for value in folded) or _is_function(word) or _is_cue(word)
        if word and not known_word and collection.fields[field] != TIME:
            yield Unknown(word, collection.name, field, tuple(nearest_names(word, list(values))))


def _same_shape(match: re.Match[str], value: str) -> bool:
    other = _CODE.fullmatch(value)
    return other is not None and other[1] == match[1]


def nearest_names(name: str, known: list[str]) -> list[str]:
    """Those most like it in writing; the first ones when none is."""
    return get_close_matches(name, known, n=_NEAREST) or known[:_NEAREST]


def _is_function(word: str) -> bool:
    return any(word in stop for stop in STOP_WORDS.values())


def _is_cue(word: str) -> bool:
    return word in {
        "above",
        "below",
        "over",
        "under",
        "boven",
        "onder",
        "per",
        "by",
        "other",
        "anders",
        "sorted",
        "than",
        "and",
        "or",
    }
