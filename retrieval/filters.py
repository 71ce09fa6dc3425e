"""Metadata filters in Pinecone's form: parsed and checked once, then evaluated in Python or compiled to SQL.

    filter    {"field": test, …}  {"$and"|"$or": [filter, …]}          (several keys: all of them)
    test      value  {"$eq"|"$ne": value}  {"$gt"|"$gte"|"$lt"|"$lte": number}  {"$in"|"$nin": [value, …]}

A list in the metadata matches when one of its elements does. Values are equal within their type only: `1` is `1.0`
but neither `True` nor `"1"`. A missing field matches nothing but `$ne` and `$nin`.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import ge, gt, le, lt
from typing import Any, TypeAlias

from retrieval.errors import InvalidFilter
from retrieval.ports import Filter
from retrieval.types import Metadata, Scalar

MAX_CONDITIONS = 100
MAX_DEPTH = 10
MAX_VALUES = 10_000
MAX_INTEGER = 2**53
"""Larger integers are not exact as the floats that Pinecone keeps."""

_ORDER: dict[str, Callable[[Any, Any], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}
_ORDERING = {"$lt": "<", "$lte": "<=", "$gt": ">", "$gte": ">="}
_JSON_TYPES = {"text": "('text')", "number": "('integer', 'real')", "boolean": "('true', 'false')"}


@dataclass(frozen=True, slots=True)
class In:
    field: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Order:
    field: str
    operator: str
    bound: int | float


@dataclass(frozen=True, slots=True)
class Not:
    part: "Condition"


@dataclass(frozen=True, slots=True)
class All:
    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Some:
    parts: tuple["Condition", ...]


Condition: TypeAlias = In | Order | Not | All | Some


def parse(filter: Filter) -> Condition:
    """The checked filter; an empty one matches everything. Raises `InvalidFilter`."""
    condition = _parse_filter(filter, depth=0)
    if _size(condition) > MAX_CONDITIONS:
        raise InvalidFilter(f"more than {MAX_CONDITIONS} conditions")
    return condition


def matches(condition: Condition, metadata: Metadata) -> bool:
    match condition:
        case In(field, values):
            return any(_same(stored, value) for stored in _elements(metadata, field) for value in values)
        case Order(field, operator, bound):
            stored = metadata.get(field)
            return stored is not None and _kind(stored) == "number" and _ORDER[operator](stored, bound)
        case Not(part):
            return not matches(part, metadata)
        case All(parts):
            return all(matches(part, metadata) for part in parts)
        case Some(parts):
            return any(matches(part, metadata) for part in parts)


def to_sql(condition: Condition, column: str) -> tuple[str, list[str]]:
    """The condition over a column that holds the metadata as a JSON object, and its parameters. Fields and values
    are parameters only; `column` is written into the statement and must come from the program.

    Values are bound as JSON, so that SQLite reads a number in the filter as it reads the stored one."""
    match condition:
        case In(field, values):
            kinds = {_kind(value) for value in values}
            tests = [_in_sql(kind) for kind in sorted(kinds)]
            parameters = [_json([v for v in values if _kind(v) == kind]) for kind in sorted(kinds)]
            return _field_sql(column, " OR ".join(tests)), [field, *(p for p in parameters for _ in range(2))]
        case Order(field, operator, bound):
            test = f"m.type IN {_JSON_TYPES['number']} AND m.value {operator} json_extract(?, '$[0]')"
            return _field_sql(column, test), [field, _json([bound])]
        case Not(part):
            sql, parameters = to_sql(part, column)
            return f"NOT {sql}", parameters
        case All(parts) | Some(parts):
            joint, empty = (" AND ", "1") if isinstance(condition, All) else (" OR ", "0")
            compiled = [to_sql(part, column) for part in parts]
            sql = joint.join(sql for sql, _ in compiled) or empty
            return f"({sql})", [p for _, parameters in compiled for p in parameters]


def _field_sql(column: str, test: str) -> str:
    return f"EXISTS (SELECT 1 FROM json_each({column}) AS m WHERE m.key = ? AND ({test}))"  # noqa: S608 - `column` is ours


def _in_sql(kind: str) -> str:
    types, values = _JSON_TYPES[kind], "(SELECT value FROM json_each(?))"
    return (
        f"m.type IN {types} AND m.value IN {values} OR m.type = 'array' AND EXISTS "  # noqa: S608 - constants
        f"(SELECT 1 FROM json_each(m.value) AS e WHERE e.type IN {types} AND e.value IN {values})"
    )


def _json(values: list[Any]) -> str:
    return json.dumps(values, ensure_ascii=False)


def _parse_filter(filter: object, depth: int) -> Condition:
    if not isinstance(filter, Mapping):
        raise InvalidFilter("a filter must be an object")
    if depth > MAX_DEPTH:
        raise InvalidFilter(f"nested deeper than {MAX_DEPTH}")
    return _all([_parse_entry(key, value, depth) for key, value in filter.items()])


def _parse_entry(key: object, value: object, depth: int) -> Condition:
    if not isinstance(key, str):
        raise InvalidFilter("a field's name must be a string")
    if not key.startswith("$"):
        return _parse_field(_text(key), value)
    if key not in ("$and", "$or"):
        raise InvalidFilter(f"unknown operator {key!r}")
    if not isinstance(value, list | tuple) or not value:
        raise InvalidFilter(f"{key} needs a list of at least one filter")
    parts = tuple(_parse_filter(part, depth + 1) for part in value)
    return All(parts) if key == "$and" else Some(parts)


def _parse_field(field: str, test: object) -> Condition:
    if not isinstance(test, Mapping):
        return In(field, (_scalar(test),))
    if not test:
        raise InvalidFilter(f"field {field!r} has no operator")
    return _all([_parse_test(field, operator, value) for operator, value in test.items()])


def _parse_test(field: str, operator: object, value: object) -> Condition:
    match operator:
        case "$eq":
            return In(field, (_scalar(value),))
        case "$ne":
            return Not(In(field, (_scalar(value),)))
        case "$in":
            return In(field, _scalars(value))
        case "$nin":
            return Not(In(field, _scalars(value)))
        case "$gt" | "$gte" | "$lt" | "$lte":
            return Order(field, _ORDERING[operator], _number(value))
        case _:
            raise InvalidFilter(f"unknown operator {operator!r}")


def _scalars(value: object) -> tuple[Scalar, ...]:
    if not isinstance(value, list | tuple) or not 0 < len(value) <= MAX_VALUES:
        raise InvalidFilter(f"$in and $nin need a list of 1 to {MAX_VALUES} values")
    return tuple(_scalar(item) for item in value)


def _scalar(value: object) -> Scalar:
    match value:
        case bool():
            return value
        case str():
            return _text(value)
        case _:
            return _number(value)


def _number(value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidFilter(f"{type(value).__name__} is not a value to compare with here")
    in_range = abs(value) <= MAX_INTEGER if isinstance(value, int) else math.isfinite(value)
    if not in_range:
        raise InvalidFilter("number out of range")
    return value


def _text(value: str) -> str:
    if any(c == "\0" or "\ud800" <= c <= "\udfff" for c in value):
        raise InvalidFilter("text with a NUL or half a surrogate pair")
    return value


def _all(parts: list[Condition]) -> Condition:
    return parts[0] if len(parts) == 1 else All(tuple(parts))


def _size(condition: Condition) -> int:
    match condition:
        case All(parts) | Some(parts):
            return 1 + sum(map(_size, parts))
        case Not(part):
            return _size(part)
        case _:
            return 1


def _elements(metadata: Metadata, field: str) -> tuple[Scalar, ...]:
    stored = metadata.get(field)
    if stored is None:
        return ()
    return stored if isinstance(stored, tuple) else (stored,)


def _same(stored: Scalar, value: Scalar) -> bool:
    return _kind(stored) == _kind(value) and stored == value


def _kind(value: Scalar | tuple[str, ...]) -> str:
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "text"
        case _:
            return "list"
