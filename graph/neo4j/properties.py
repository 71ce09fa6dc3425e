"""A record's fields as properties that conditions compare, and a record query as the parameters of its statement. Pure.

A field has up to three properties: `text.FIELD`, what is written; `value.FIELD`, a number or a truth value;
`time.FIELD`, the instant in seconds since 1970. Which of them a condition compares is the schema's to say, not the
value's. The prefix keeps fields apart from the node's own properties.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from graph.fields import BOOLEAN, NUMBER, TEXT, TIME, check_condition, type_of, values_of
from graph.totals import PERIODS, check_totals, place, type_of_field
from graph.types import Aggregate, Condition, Group, RecordQuery
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
        "conditions": [_condition(condition, type_of_field(condition.field, fields)) for condition in query.conditions],
        "sort": "" if query.sort is None else _property(query.sort, type_of_field(query.sort, fields)),
        "descending": query.descending,
        "limit": max(0, query.limit),
    }


def summary(query: RecordQuery, fields: Mapping[str, str]) -> dict[str, Any]:
    """The same for a query with aggregates. Raises `InvalidAggregate` too."""
    check_totals(query, fields)
    at = place(query)
    return {
        **selection(replace(query, sort=None), fields),
        "groups": [_group(group, fields) for group in query.groups],
        "aggregates": [_aggregate(aggregate, fields) for aggregate in query.aggregates],
        "place": -1 if at is None else at,
    }


def _group(group: Group, fields: Mapping[str, str]) -> dict[str, Any]:
    if group.period:
        return {"property": f"time.{group.field}", "length": PERIODS[group.period]}
    type = fields[group.field]
    return {"property": _property(group.field, TEXT if type == TIME else type), "length": 0}


def _aggregate(aggregate: Aggregate, fields: Mapping[str, str]) -> dict[str, Any]:
    property = _property(aggregate.field, fields[aggregate.field]) if aggregate.field else ""
    return {"function": aggregate.function, "property": property}


def _condition(condition: Condition, type: str) -> dict[str, Any]:
    check_condition(condition, type)
    if condition.operator == "contains":
        return _compared(condition, f"text.{condition.field}", condition.value)
    values = [_seconds(str(value)) if type == TIME else _number(value) for value in values_of(condition)]
    return _compared(condition, _property(condition.field, type), values if condition.operator == "in" else values[0])


def _compared(condition: Condition, property: str, value: object) -> dict[str, Any]:
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
