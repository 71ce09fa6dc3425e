"""What a model is asked to fill in about a question, as a strict schema, and what is taken from it. Pure.

Every property is required and no other is allowed, so that a server which enforces schemas can give nothing else. What
a server gives is checked all the same: many take the schema for a hint.
"""

from dataclasses import dataclass
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from chatserver.models.port import Form
from chatserver.pipeline.decide import Kind
from graph.types import Aggregate, Condition, Function, Group, Operator, Period, RecordQuery
from retrieval.text import Language

MOST_QUERIES: Final = 3
MOST_RECORDS: Final = 50
LONGEST: Final = 500
"""Characters of a reason or a query: more is no sentence."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What a model makes of a question. `query` is it as it stands alone, empty when it does so already; `queries`
    ask the records, and are not checked yet against what these have."""

    kind: Kind
    reason: str
    language: Language
    query: str = ""
    queries: tuple[RecordQuery, ...] = ()


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Condition(_Strict):
    field: str
    operator: Operator
    values: list[str | bool | int | float]


class _Group(_Strict):
    field: str
    period: Period


class _Aggregate(_Strict):
    function: Function
    field: str


class _Query(_Strict):
    collection: str
    conditions: list[_Condition]
    groups: list[_Group]
    aggregates: list[_Aggregate]
    sort: str | None
    descending: bool
    limit: int


class _Filled(_Strict):
    reason: str
    kind: Literal[
        "retrieve", "greeting", "well_being", "thanks", "farewell", "small_talk", "capabilities", "date", "time"
    ]
    language: Language
    query: str
    queries: list[_Query]


def _read(text: str) -> Advice:
    """Raises `ValueError` (pydantic's `ValidationError` is one)."""
    filled = _Filled.model_validate_json(text)
    if len(filled.query) > LONGEST:
        raise ValueError("a question of too many characters")
    kind: Kind = "retrieve" if filled.queries else filled.kind
    queries = tuple(_query(query) for query in filled.queries[:MOST_QUERIES])
    return Advice(kind, filled.reason.strip()[:LONGEST], filled.language, filled.query.strip(), queries)


def _query(query: _Query) -> RecordQuery:
    return RecordQuery(
        query.collection,
        tuple(_condition(condition) for condition in query.conditions),
        query.sort or None,
        query.descending,
        min(max(query.limit, 1), MOST_RECORDS),
        tuple(Group(group.field, group.period) for group in query.groups),
        tuple(Aggregate(aggregate.function, aggregate.field) for aggregate in query.aggregates),
    )


def _condition(condition: _Condition) -> Condition:
    if condition.operator == "in":
        return Condition(condition.field, "in", tuple(condition.values))
    if len(condition.values) != 1:
        raise ValueError(f"{condition.operator} takes one value")
    return Condition(condition.field, condition.operator, condition.values[0])


ADVICE: Final = Form("advice", _Filled.model_json_schema(), _read)
