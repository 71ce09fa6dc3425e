"""A record query as SQL. Names come from the schema, every value is a parameter. Pure."""

from collections.abc import Mapping
from typing import TypeAlias

from graph.fields import BOOLEAN, NUMBER, TEXT, TIME, check_condition, values_of
from graph.totals import PERIODS, check_totals, place, type_of_field
from graph.types import Aggregate, Condition, Group, RecordQuery
from retrieval.types import Scalar

Parameters: TypeAlias = list[Scalar | None]
_EXTRACT = {
    NUMBER: "json_extract(fields, ?)",
    BOOLEAN: "json_extract(fields, ?)",
    TIME: "julianday(json_extract(fields, ?))",  # the instant, whatever the zone that it is written in
}
_OPERATORS = {"=": "=", "!=": "IS NOT", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


def select(query: RecordQuery, fields: Mapping[str, str], namespace: str) -> tuple[str, Parameters]:
    """The statement and its parameters. Raises `UnknownField` and `InvalidCondition`."""
    wheres, parameters = _where(query, fields, namespace)
    order = "id"
    if query.sort is not None:
        key = _extract(query.sort, type_of_field(query.sort, fields))
        order = f"{key} IS NULL, {key} {_direction(query)}, id"
        parameters += [_path(query.sort)] * 2
    parameters.append(max(0, query.limit))
    return f"SELECT id, fields FROM record WHERE {wheres} ORDER BY {order} LIMIT ?", parameters


def summarise(query: RecordQuery, fields: Mapping[str, str], namespace: str) -> tuple[str, Parameters]:
    """The same for a query with aggregates: a row for each group. Raises `InvalidAggregate` too."""
    check_totals(query, fields)
    columns, parameters = [_group(group, fields) for group in query.groups], [_path(g.field) for g in query.groups]
    columns += [_aggregate(aggregate, fields) for aggregate in query.aggregates]
    parameters += [_path(aggregate.field) for aggregate in query.aggregates if aggregate.field]
    wheres, values = _where(query, fields, namespace)
    groups = [str(at) for at in range(1, len(query.groups) + 1)]
    at = place(query)
    order = [f"c{at + 1} IS NULL", f"c{at + 1} {_direction(query)}"] if at is not None else []
    order += [f"c{group} IS NULL, c{group}" for group in groups]
    sql = f"SELECT {', '.join(f'{column} AS c{n}' for n, column in enumerate(columns, 1))} FROM record WHERE {wheres}"
    sql += f" GROUP BY {', '.join(groups)}" if groups else ""
    sql += f" ORDER BY {', '.join(order)}" if order else ""
    return f"{sql} LIMIT ?", [*parameters, *values, max(0, query.limit)]


def _where(query: RecordQuery, fields: Mapping[str, str], namespace: str) -> tuple[str, Parameters]:
    wheres = ["namespace = ?", "collection = ?"]
    parameters: Parameters = [namespace, query.collection]
    for condition in query.conditions:
        sql, values = _condition(condition, type_of_field(condition.field, fields))
        wheres.append(sql)
        parameters += values
    return " AND ".join(wheres), parameters


def _direction(query: RecordQuery) -> str:
    return "DESC" if query.descending else "ASC"


def _group(group: Group, fields: Mapping[str, str]) -> str:
    if group.period:
        return f"substr(strftime('%Y-%m-%d', json_extract(fields, ?)), 1, {PERIODS[group.period]})"
    type = fields[group.field]
    return _extract(group.field, TEXT if type == TIME else type)


def _aggregate(aggregate: Aggregate, fields: Mapping[str, str]) -> str:
    if not aggregate.field:
        return "count(*)"
    time = fields[aggregate.field] == TIME
    value = "unixepoch(json_extract(fields, ?))" if time else _extract(aggregate.field, fields[aggregate.field])
    return f"{aggregate.function}({value})"


def _condition(condition: Condition, type: str) -> tuple[str, Parameters]:
    check_condition(condition, type)
    path, values = _path(condition.field), values_of(condition)
    if condition.operator == "contains":
        return "instr(lower(CAST(json_extract(fields, ?) AS TEXT)), lower(?)) > 0", [path, *values]
    value = "julianday(?)" if type == TIME else "?"
    field = _extract(condition.field, type)
    if condition.operator == "in":
        return f"{field} IN ({', '.join([value] * len(values))})", [path, *values]
    return f"{field} {_OPERATORS[condition.operator]} {value}", [path, *values]


def _extract(field: str, type: str) -> str:
    return _EXTRACT.get(type, "CAST(json_extract(fields, ?) AS TEXT)")


def _path(field: str) -> str:
    return f'$."{field}"'  # the store takes no name with a quote in it
