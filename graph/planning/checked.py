"""A plan that somebody else made, held against what the records have. Pure.

What is left of it can be asked: its collections, fields and values exist, and its operators fit the fields' types. A
name that does not exist makes no query, but is told with the nearest ones; a query of which no sense can be made is
left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from graph.errors import InvalidAggregate, InvalidCondition, UnknownField
from graph.fields import NUMBER, TEXT, check_condition, values_of
from graph.planning.plan import Plan, Unknown, nearest_names
from graph.totals import check_totals
from graph.types import Collection, Condition, RecordQuery
from retrieval.types import Scalar


def checked(proposed: Sequence[RecordQuery], collections: Mapping[str, Collection]) -> Plan:
    """The queries that can be asked; none of them when one names what does not exist."""
    unknown = list(dict.fromkeys(name for query in proposed for name in _unknown(query, collections)))
    if unknown:
        return Plan((), tuple(unknown))
    spelled = [_spelled(query, collections[query.collection]) for query in proposed]
    return Plan(tuple(query for query in spelled if _fits(query, collections[query.collection])))


def _unknown(query: RecordQuery, collections: Mapping[str, Collection]) -> Iterator[Unknown]:
    collection = collections.get(query.collection)
    if collection is None:
        yield Unknown(query.collection, "", "", tuple(nearest_names(query.collection, list(collections))))
        return
    for field in _fields(query):
        if field not in collection.fields:
            yield Unknown(field, collection.name, "", tuple(nearest_names(field, list(collection.fields))))
    for condition in query.conditions:
        known = collection.values.get(condition.field, ())
        if condition.operator in ("=", "!=", "in") and known:
            for value in map(str, values_of(condition)):
                if _known(value, known) is None:
                    yield Unknown(value, collection.name, condition.field, tuple(nearest_names(value, list(known))))


def _fields(query: RecordQuery) -> list[str]:
    """Each once. What totals are sorted by may be the name of one."""
    totals = {aggregate.name for aggregate in query.aggregates}
    named = [condition.field for condition in query.conditions]
    named += [group.field for group in query.groups] + [total.field for total in query.aggregates if total.field]
    named += [query.sort] if query.sort and query.sort not in totals else []
    return list(dict.fromkeys(named))


def _spelled(query: RecordQuery, collection: Collection) -> RecordQuery:
    """With its values as the records write them."""
    return replace(query, conditions=tuple(_condition(condition, collection) for condition in query.conditions))


def _condition(condition: Condition, collection: Collection) -> Condition:
    def spelled(value: Scalar) -> Scalar:
        return _value(value, collection.fields[condition.field], collection.values.get(condition.field, ()))

    values = condition.value
    return replace(condition, value=tuple(map(spelled, values)) if isinstance(values, tuple) else spelled(values))


def _value(value: Scalar, type: str, known: Sequence[str]) -> Scalar:
    if type == NUMBER and isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    if type == TEXT:
        return _known(str(value), known) or str(value)
    return value


def _known(value: str, known: Sequence[str]) -> str | None:
    return next((one for one in known if one.casefold() == value.casefold()), None)


def _fits(query: RecordQuery, collection: Collection) -> bool:
    try:
        for condition in query.conditions:
            check_condition(condition, collection.fields[condition.field])
        if query.aggregates:
            check_totals(query, collection.fields)
    except (InvalidCondition, InvalidAggregate, UnknownField):
        return False
    return bool(query.aggregates) or not query.groups
