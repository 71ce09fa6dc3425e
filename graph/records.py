"""A question to a query over the one collection that it speaks of, by rules, in English and Dutch. Pure.

The rules are cautious: a collection has to be named (`the newest TelemetryEvent`, `telemetry events`), or its last
word together with a cue (`the latest snapshot`), or a value that only one collection has together with a cue (`the
latest of PT-206`). Anything else is None: the passages answer it.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from graph.fields import NUMBER, TIME, values_of
from graph.names import fold_name
from graph.planning.times import Range, time_range
from graph.planning.totals import Totals, totals
from graph.types import Collection, Condition, Operator, RecordQuery
from retrieval.text import STOP_WORDS

_LIMIT = 5
_HIGHEST = r"highest|maximum|max|largest|biggest|hoogste|maximale|grootste"
_LOWEST = r"lowest|minimum|min|smallest|laagste|minimale|kleinste"
_NEWEST = r"newest|latest|last|most recent|current|currently|laatste|nieuwste|recentste|meest recente|huidige"
_OLDEST = r"oldest|first|earliest|oudste|eerste|vroegste"
_FAILING = r"fail|fails|failing|failed|failures?|faults?|faulty|storing|storingen|defect"
_NOT = r"(?:not|other than|except|besides|without|isn t|niet|anders dan|behalve|ongelijk aan|zonder)"
_NONE = ("none", "geen", "ok")
_DUTCH = {
    "critical": r"kritie?ke?",
    "warning": r"waarschuwing(?:en)?",
    "planned": r"geplande?",
    "overdue": r"achterstallige?|verlopen",
    "done": r"gedaan|afgeronde?|uitgevoerde?",
    "stopped": r"gestopte?|stilstaande?",
    "open": r"openstaande?",
    "failed": r"mislukte?",
}
"""How a Dutch question says values that records of many sorts have in English."""
_COUNTS = {"two": 2, "three": 3, "four": 4, "five": 5, "twee": 2, "drie": 3, "vier": 4, "vijf": 5}
_MOST = 50
_PLAIN_FIELD_WORDS = frozenset(("t", "id", "c", "k", "bar", "pct", "kw", "rpm", "m3h", "s", "ms", "h", "mode"))

_COMPARISONS: tuple[tuple[Operator, str], ...] = (
    (">=", r">=|at least|minstens|minimaal|ten minste"),
    ("<=", r"<=|at most|hoogstens|maximaal|ten hoogste"),
    (">", r">|above|over|more than|greater than|higher than|exceeding|boven|meer dan|hoger dan|groter dan"),
    ("<", r"<|below|under|less than|lower than|fewer than|onder|minder dan|lager dan|kleiner dan"),
)
_NUMBER = r"(?<![\w.])(-?\d+(?:[.,]\d+)?)"


@dataclass(frozen=True, slots=True)
class _Named:
    """A collection that the question may mean; `rest` is the folded question without its name, `before` what stands
    before the name."""

    collection: Collection
    rest: str
    plural: bool
    sure: bool
    before: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A query, the collection's own question words, and what the question calls a field that is none."""

    query: RecordQuery
    rest: str
    sure: bool
    """The collection is called by its whole name."""
    no_field: str = ""


def record_query(question: str, collections: Mapping[str, Collection], now: datetime) -> RecordQuery | None:
    """The query that the question asks for, None when it does not clearly ask for records. `last week` is told by
    `now`, `newest` by the records alone."""
    asked = asked_of(question, collections, now)
    return None if asked is None else asked.query


def asked_of(question: str, collections: Mapping[str, Collection], now: datetime) -> Asked | None:
    """The same with what the question says of it."""
    times, question = time_range(question, now)
    named = _named(question, collections)
    if named is None:
        return None
    summed = totals(named.before, named.rest, named.collection, _number_of(named), _time_of(named))
    conditions = (*_comparisons(question, named.collection), *_values(named))
    conditions = (*conditions, *_failing(named, conditions), *_within(named, times))
    query = RecordQuery(named.collection.name, conditions, limit=_LIMIT)
    query = _totalled(query, summed) if summed else _sorted(named, query)
    clear = named.sure or conditions or summed or query.limit != _LIMIT or _cue(named.rest)
    return Asked(query, named.rest, named.sure, summed.unknown if summed else "") if clear else None


def values_named(question: str, collection: Collection) -> tuple[Condition, ...]:
    """Conditions on the values of this collection that the question names."""
    return tuple(_values(_Named(collection, f" {fold_name(question)} ", False, False)))


def failing(collection: Collection) -> Condition | None:
    """The condition that only its failing records meet, when a field tells them."""
    return next(_failing(_Named(collection, " failing ", False, False), ()), None)


def is_failure_field(field: str) -> bool:
    """`failure_mode`, `fault`."""
    return _has(f" {' '.join(_words(field))} ", _FAILING)


def _number_of(named: _Named) -> Callable[[str], str | None]:
    return lambda text: _number_field(text, named.collection)


def _time_of(named: _Named) -> Callable[[str], str | None]:
    return lambda text: time_field(text, named.collection)


def _totalled(query: RecordQuery, summed: Totals) -> RecordQuery:
    """A period's groups are in their order, others by their totals, the greatest first."""
    dated = any(group.period for group in summed.groups)
    sort = summed.aggregates[0].name if summed.groups and not dated else None
    return replace(query, sort=sort, groups=summed.groups, aggregates=summed.aggregates, limit=_MOST)


def _within(named: _Named, times: Range | None) -> Iterator[Condition]:
    field = time_field(named.rest, named.collection) if times else None
    if times and field:
        if times.start:
            yield Condition(field, ">=", _instant(times.start))
        if times.end:
            yield Condition(field, "<", _instant(times.end))


def _instant(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


def _cue(text: str) -> bool:
    return _has(text, f"{_NEWEST}|{_OLDEST}|{_HIGHEST}|{_LOWEST}|{_FAILING}")


# -- which collection ------------------------------------------------------------------------------------------------


def _named(question: str, collections: Mapping[str, Collection]) -> _Named | None:
    text = f" {fold_name(question)} "
    return _by_name(text, collections) or _by_value(text, collections)


def _by_name(text: str, collections: Mapping[str, Collection]) -> _Named | None:
    """The collection with the longest name in the text; failing that, the only one whose last word is in it."""
    full = [_match(text, collection, words) for collection in collections.values() for words in _spellings(collection)]
    found = sorted((match for match in full if match), key=lambda match: len(match.rest))
    if found:
        return found[0]
    heads = [_match(text, collection, _words(collection.name)[-1]) for collection in collections.values()]
    matches = [match for match in heads if match]
    return replace(matches[0], sure=False) if len(matches) == 1 else None


def _match(text: str, collection: Collection, words: str) -> _Named | None:
    stem = re.escape(words[:-1]) + "(?:y|ies|ys)" if words.endswith("y") else re.escape(words) + "(?P<s>s|es|en)?"
    match = re.search(rf" {stem} ", text)
    if match is None:
        return None
    plural = match[0] != f" {words} "
    before, after = text[: match.start()], text[match.end() :]
    return _Named(collection, f"{before} {after}", plural, True, before)


def _by_value(text: str, collections: Mapping[str, Collection]) -> _Named | None:
    candidates = [_Named(collection, text, False, False) for collection in collections.values()]
    holding = [named for named in candidates if any(_values(named))]
    return holding[0] if len(holding) == 1 and _cue(text) else None


def _spellings(collection: Collection) -> tuple[str, str]:
    words = _words(collection.name)
    return " ".join(words), "".join(words)


def _words(name: str) -> list[str]:
    """`WorldStateSnapshot`, `failure_mode` -> their words, folded."""
    return fold_name(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)).split()


# -- conditions ------------------------------------------------------------------------------------------------------


def _values(named: _Named) -> Iterator[Condition]:
    """Values of text fields that the question names, the longest first; two of one field are alternatives."""
    found: dict[str, list[Condition]] = {}
    text = named.rest
    for field, value, words in _known_values(named.collection):
        match = re.search(rf" (?P<negation>{_NOT} (?:\w+ )?)?(?:{_said(words)})(?= )", text)
        if match:
            operator: Operator = "!=" if match["negation"] else "="
            found.setdefault(field, []).append(Condition(field, operator, value))
            text = f"{text[: match.start()]} {text[match.end() :]}"
    for conditions in found.values():
        yield from _alternatives(conditions)


def _alternatives(conditions: Sequence[Condition]) -> Iterator[Condition]:
    """Values that are not to be come one by one; some that are and some that are not contradict each other."""
    operators = {condition.operator for condition in conditions}
    if len(conditions) == 1 or operators == {"!="}:
        yield from conditions
    elif operators == {"="}:
        field, values = conditions[0].field, [value for c in conditions for value in values_of(c)]
        yield Condition(field, "in", tuple(values))


def _said(words: str) -> str:
    return f"{re.escape(words)}|{_DUTCH[words]}" if words in _DUTCH else re.escape(words)


def _known_values(collection: Collection) -> list[tuple[str, str, str]]:
    found = [(field, value, fold_name(value)) for field, values in collection.values.items() for value in values]
    telling = [(field, value, words) for field, value, words in found if len(words) > 1 and not _is_function(words)]
    return sorted(telling, key=lambda item: -len(item[2]))


def _is_function(words: str) -> bool:
    return any(words in stop for stop in STOP_WORDS.values())


def _failing(named: _Named, conditions: Sequence[Condition]) -> Iterator[Condition]:
    """`failing`, `met een storing`: the failure field is not `none`, when the collection has such a field and no
    other condition is on it."""
    if not _has(named.rest, _FAILING):
        return
    for field, values in named.collection.values.items():
        none = next((value for value in values if value in _NONE), None)
        if none and is_failure_field(field):
            if field not in {condition.field for condition in conditions}:
                yield Condition(field, "!=", none)
            return


def _comparisons(question: str, collection: Collection) -> Iterator[Condition]:
    """`supply temperature above -3`: the words before the comparison say which field."""
    for operator, cues in _COMPARISONS:
        for match in re.finditer(rf"(?<![\w<>])(?:{cues})\s*{_NUMBER}", question, re.IGNORECASE):
            field = _number_field(question[: match.start()], collection)
            if field:
                yield Condition(field, operator, _number(match[1]))


def _number(text: str) -> int | float:
    value = float(text.replace(",", "."))
    return int(value) if value.is_integer() else value


def _number_field(text: str, collection: Collection) -> str | None:
    """The number field whose words the text has most of; else `value`; else the only one."""
    fields = [field for field, type in collection.fields.items() if type == NUMBER]
    return _mentioned(text, fields) or ("value" if "value" in fields else None) or _only(fields)


def _mentioned(text: str, fields: Sequence[str]) -> str | None:
    said = fold_name(text).split()

    def score(field: str) -> int:
        words = [word for word in _words(field) if word not in _PLAIN_FIELD_WORDS]
        return sum(any(word == other or (len(word) > 3 and other.startswith(word)) for other in said) for word in words)

    best = max(fields, key=score, default=None)
    return best if best is not None and score(best) else None


def _only(fields: Sequence[str]) -> str | None:
    return fields[0] if len(fields) == 1 else None


# -- order -----------------------------------------------------------------------------------------------------------


def _sorted(named: _Named, query: RecordQuery) -> RecordQuery:
    """Without a cue the newest come first. One record is asked for unless the name stands in the plural or a number
    says how many."""
    rest, one = named.rest, _LIMIT if named.plural else 1
    extreme = _has(rest, _HIGHEST) or _has(rest, _LOWEST)
    field = _number_field(rest, named.collection) if extreme else None
    if field:
        return replace(query, sort=field, descending=_has(rest, _HIGHEST), limit=_asked(rest) or one)
    time = time_field(rest, named.collection)
    if time is None:
        return query
    if _has(rest, _NEWEST):
        return replace(query, sort=time, limit=_asked(rest) or one)
    if _has(rest, _OLDEST):
        return replace(query, sort=time, descending=False, limit=_asked(rest) or one)
    return replace(query, sort=time)


def time_field(text: str, collection: Collection) -> str | None:
    """The time field that the text speaks of; else the one that tells when; else the first."""
    times = [field for field, type in collection.fields.items() if type == TIME]
    starts = [field for field in times if {"start", "time", "timestamp"} & set(_words(field))]
    return _mentioned(text, times) or next(iter(starts or times), None)


def _asked(text: str) -> int | None:
    """`last 3`, `three newest`."""
    cues = f"(?:{_NEWEST}|{_OLDEST}|{_HIGHEST}|{_LOWEST})"
    for match in re.finditer(rf"(?= {cues} (\w+) )|(?= (\w+) {cues} )", text):
        said = match[1] or match[2]
        number = int(said) if said.isdecimal() else _COUNTS.get(said)
        if number:
            return min(number, _MOST)
    return None


def _has(text: str, cues: str) -> bool:
    return re.search(rf" (?:{cues})(?= )", text) is not None
