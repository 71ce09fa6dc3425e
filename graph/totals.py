"""Totals over groups of records: what may be asked for, and a row of a store as a result. Pure.

A row is the groups' values, then the aggregates, in the order of the query.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Final, get_args

from graph.errors import InvalidAggregate, UnknownField
from graph.fields import BOOLEAN, NUMBER, TIME, values_of
from graph.types import Aggregate, Condition, Function, Group, Record, RecordQuery
from retrieval.types import Scalar

PERIODS: Final = {"day": 10, "month": 7}
"""Characters of an ISO 8601 time that tell the period."""


def type_of_field(field: str, fields: Mapping[str, str]) -> str:
    """Raises `UnknownField`."""
    if field not in fields:
        raise UnknownField(field, get_close_matches(field, fields, n=3))
    return fields[field]


def check_totals(query: RecordQuery, fields: Mapping[str, str]) -> None:
    """Raises `UnknownField` and `InvalidAggregate`."""
    for group in query.groups:
        if group.period and type_of_field(group.field, fields) != TIME:
            raise InvalidAggregate(f"{group.field} per {group.period}: the field is {fields[group.field]}")
        type_of_field(group.field, fields)
    for aggregate in query.aggregates:
        _check_aggregate(aggregate, fields)
    if query.sort is not None:
        place(query)


def place(query: RecordQuery) -> int | None:
    """Where in a row the value stands that is sorted by. Raises `UnknownField`."""
    names = _names(query)
    if query.sort is not None and query.sort not in names:
        raise UnknownField(query.sort, get_close_matches(query.sort, names, n=3))
    return None if query.sort is None else names.index(query.sort)


def total(query: RecordQuery, fields: Mapping[str, str], row: Sequence[Scalar | None]) -> Record:
    """A row as a record of the collection. Its id says which total it is: `count where severity = critical`,
    `avg value per component: P-101`."""
    groups, numbers = row[: len(query.groups)], row[len(query.groups) :]
    told = [_told_group(group, fields, value) for group, value in zip(query.groups, groups, strict=True)]
    told += [_told_total(of_one, fields, value) for of_one, value in zip(query.aggregates, numbers, strict=True)]
    return Record(query.collection, _id(query, told), dict(zip(_names(query), told, strict=True)))


def is_total(record: Record) -> bool:
    """Whether this is a row of `total`, rather than a record."""
    totals = [name for name in record.fields if name.split(" ")[0] in get_args(Function)]
    return any(re.match(rf"{re.escape(name)}(?:[ ,]|$)", record.id) for name in totals)


def _check_aggregate(aggregate: Aggregate, fields: Mapping[str, str]) -> None:
    if aggregate.function == "count" and not aggregate.field:
        return
    type = type_of_field(aggregate.field, fields)
    fits = {"count": False, "min": type != BOOLEAN, "max": type != BOOLEAN}.get(aggregate.function, type == NUMBER)
    if not fits:
        raise InvalidAggregate(f"{aggregate.name}: the field is {type}")


def _names(query: RecordQuery) -> list[str]:
    return [group.field for group in query.groups] + [aggregate.name for aggregate in query.aggregates]


def _id(query: RecordQuery, told: Sequence[Scalar | None]) -> str:
    what = ", ".join(aggregate.name for aggregate in query.aggregates)
    where = f" where {' and '.join(map(condition_text, query.conditions))}" if query.conditions else ""
    if not query.groups:
        return what + where
    values = ", ".join("-" if value is None else str(value) for value in told[: len(query.groups)])
    return f"{what} per {', '.join(group.period or group.field for group in query.groups)}: {values}{where}"


def condition_text(condition: Condition) -> str:
    """`severity in critical, warning`, in the schema's words."""
    return f"{condition.field} {condition.operator} {', '.join(map(str, values_of(condition)))}"


def _told_group(group: Group, fields: Mapping[str, str], value: Scalar | None) -> Scalar | None:
    return bool(value) if fields[group.field] == BOOLEAN and value is not None else value


def _told_total(aggregate: Aggregate, fields: Mapping[str, str], value: Scalar | None) -> Scalar | None:
    if value is None or aggregate.function == "count":
        return value
    if fields[aggregate.field] == TIME:
        return f"{datetime.fromtimestamp(int(value), UTC):%Y-%m-%dT%H:%M:%SZ}"
    return round(value, 6) if isinstance(value, float) else value
