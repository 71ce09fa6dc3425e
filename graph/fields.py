"""The types of record fields: inferred from values, widened when values differ, checked in conditions. Pure."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Final

from graph.errors import InvalidCondition, InvalidRecord
from graph.types import Condition, Operator, Record
from retrieval.types import Scalar

TEXT: Final = "text"
NUMBER: Final = "number"
BOOLEAN: Final = "boolean"
TIME: Final = "time"
UNKNOWN: Final = "unknown"
"""A field that has only been null so far; any type may follow."""

_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?")
_UNSAFE = re.compile(r'["\\\x00-\x1f]')


def type_of(value: Scalar | None) -> str:
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, int | float):
        return NUMBER
    return TIME if _TIME.fullmatch(value) else TEXT


def widen(first: str, second: str) -> str:
    """The narrowest type that holds both: different ones are all text."""
    if UNKNOWN in (first, second):
        return second if first == UNKNOWN else first
    return first if first == second else TEXT


def schema(records: Iterable[Record]) -> Mapping[str, Mapping[str, str]]:
    """Collection -> field -> type, of these records. `id` is a field of each."""
    found: dict[str, dict[str, str]] = {}
    for record in records:
        fields = found.setdefault(record.collection, {"id": TEXT})
        for name, value in record.fields.items():
            type = record.types.get(name) or type_of(value)
            fields[name] = widen(fields.get(name, UNKNOWN), type if name != "id" else TEXT)
    return found


def check_record(record: Record) -> None:
    """Raises `InvalidRecord` for a name that can't be asked for, or a number that is none."""
    for name in (record.collection, record.id, *record.fields):
        if not name or _UNSAFE.search(name):
            raise InvalidRecord(f"not a name: {name!r}")
    for value in record.fields.values():
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidRecord("a number is not finite")


def check_condition(condition: Condition, type: str) -> None:
    """Raises `InvalidCondition` when the value or the operator does not fit the field's type."""
    values = values_of(condition)
    many = isinstance(condition.value, tuple)
    fits = many == (condition.operator == "in") and all(_fits(value, condition.operator, type) for value in values)
    ordered = condition.operator in ("<", "<=", ">", ">=")
    if not fits or (ordered and type == BOOLEAN) or (condition.operator == "contains" and type in (NUMBER, BOOLEAN)):
        raise InvalidCondition(f"{condition.field} {condition.operator} {condition.value!r}: the field is {type}")


def values_of(condition: Condition) -> tuple[Scalar, ...]:
    """What the field is compared with: one value, or those of `in`."""
    return condition.value if isinstance(condition.value, tuple) else (condition.value,)


def _fits(value: Scalar, operator: Operator, type: str) -> bool:
    value_type = type_of(value)
    return {
        NUMBER: value_type == NUMBER,
        BOOLEAN: value_type == BOOLEAN,
        TIME: value_type == TIME or (operator == "contains" and isinstance(value, str)),
    }.get(type, isinstance(value, str))
