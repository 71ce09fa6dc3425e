"""A record's fields as properties that conditions compare, and a record query as the parameters of its statement. Pure.

A field has up to three properties: `text.FIELD`, what is written; `value.FIELD`, a number or a truth value;
`time.FIELD`, the instant in seconds since 1970. Which of them a condition compares is the schema's to say, not the
value's. The prefix keeps fields apart from the node's own properties.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any

from graph.errors import UnknownField
from graph.fields import BOOLEAN, NUMBER, TIME, check_condition, type_of
from graph.types import Condition, RecordQuery
from retrieval.types import Scalar

_PREFIX = {NUMBER: "value", BOOLEAN: "value", TIME: "time"}
_LARGEST = 2**63 - 1  # of the server's integers


def properties_of(fields: Mapping[str, Scalar | None]) -> dict[str, Scalar]:
    found: dict[str, Scalar] = {}
    for name, value in fields.items():
        if value is None:
            continue
        found[f"text.{name}"] = value if isinstance(value, str) else str(value)
        if not isinstance(value, str):
            found[f"value.{name}"] = _number(value)
        elif type_of(value) == TIME and (seconds := _seconds(value)) is not None:
            found[f"time.{name}"] = seconds
    return found


def selection(query: RecordQuery, fields: Mapping[str, str]) -> dict[str, Any]:
    """Raises `UnknownField` and `InvalidCondition`."""
    return {
        "collection": query.collection,
        "conditions": [_condition(condition, _type(condition.field, fields)) for condition in query.conditions],
        "sort": "" if query.sort is None else _property(query.sort, _type(query.sort, fields)),
        "descending": query.descending,
        "limit": max(0, query.limit),
    }


def _type(field: str, fields: Mapping[str, str]) -> str:
    if field not in fields:
        raise UnknownField(field, get_close_matches(field, fields, n=3))
    return fields[field]


def _condition(condition: Condition, type: str) -> dict[str, Any]:
    check_condition(condition, type)
    if condition.operator == "contains":
        return _compared(condition, f"text.{condition.field}", condition.value)
    value = _seconds(str(condition.value)) if type == TIME else _number(condition.value)
    return _compared(condition, _property(condition.field, type), value)


def _compared(condition: Condition, property: str, value: Scalar | None) -> dict[str, Any]:
    return {"property": property, "operator": condition.operator, "value": value}


def _property(field: str, type: str) -> str:
    return f"{_PREFIX.get(type, 'text')}.{field}"


def _seconds(time: str) -> float | None:
    """The instant; a time without a zone is UTC's. None for one that is none (`2026-02-30`)."""
    try:
        instant = datetime.fromisoformat(time)
    except ValueError:
        return None
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()


def _number(value: Scalar) -> Scalar:
    """An integer too large for the server as the nearest it can compare."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _LARGEST:
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    return value
