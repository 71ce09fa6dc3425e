"""A record query as SQL. Names come from the schema, every value is a parameter. Pure."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TypeAlias

from graph.errors import UnknownField
from graph.fields import BOOLEAN, NUMBER, TIME, check_condition
from graph.types import Condition, RecordQuery
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
    wheres = ["namespace = ?", "collection = ?"]
    parameters: Parameters = [namespace, query.collection]
    for condition in query.conditions:
        sql, values = _condition(condition, type_of_field(condition.field, fields))
        wheres.append(sql)
        parameters += values
    order = "id"
    if query.sort is not None:
        key = _extract(query.sort, type_of_field(query.sort, fields))
        order = f"{key} IS NULL, {key} {'DESC' if query.descending else 'ASC'}, id"
        parameters += [_path(query.sort)] * 2
    parameters.append(max(0, query.limit))
    return f"SELECT id, fields FROM record WHERE {' AND '.join(wheres)} ORDER BY {order} LIMIT ?", parameters


def type_of_field(field: str, fields: Mapping[str, str]) -> str:
    if field not in fields:
        raise UnknownField(field, get_close_matches(field, fields, n=3))
    return fields[field]


def _condition(condition: Condition, type: str) -> tuple[str, Parameters]:
    check_condition(condition, type)
    path = _path(condition.field)
    if condition.operator == "contains":
        return "instr(lower(CAST(json_extract(fields, ?) AS TEXT)), lower(?)) > 0", [path, condition.value]
    value = "julianday(?)" if type == TIME else "?"
    sql = f"{_extract(condition.field, type)} {_OPERATORS[condition.operator]} {value}"
    return sql, [path, condition.value]


def _extract(field: str, type: str) -> str:
    return _EXTRACT.get(type, "CAST(json_extract(fields, ?) AS TEXT)")


def _path(field: str) -> str:
    return f'$."{field}"'  # the store takes no name with a quote in it
