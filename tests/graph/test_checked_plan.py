"""A plan that a model proposes, held against what the records have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.embedded.selection import select, summarise
from graph.planning.checked import checked
from graph.planning.plan import Plan, Unknown
from graph.types import Aggregate, Collection, Condition, Group, RecordQuery

EVENTS = Collection(
    "TelemetryEvent",
    65,
    {"id": "text", "t_start": "time", "component": "text", "value": "number", "ok": "boolean", "message": "text"},
    {"component": ("P-101", "P-102", "CT-401")},
)
KNOWN = {"TelemetryEvent": EVENTS}


def query(*conditions: Condition, collection: str = "TelemetryEvent", **fields: object) -> RecordQuery:
    return RecordQuery(collection, conditions, **fields)  # type: ignore[arg-type]


def test_a_plan_that_fits_is_asked_as_it_is() -> None:
    """Conditions, groups and totals over what the records have are left alone."""
    plain = query(Condition("component", "=", "P-101"), Condition("value", ">", 3), sort="t_start", limit=2)
    total = query(groups=(Group("t_start", "day"),), aggregates=(Aggregate("avg", "value"),), sort="avg value")
    assert checked((plain, total), KNOWN) == Plan((plain, total))


def test_values_are_spelled_as_the_records_have_them() -> None:
    """Another case of a known value, and a number written as text, are what was meant."""
    plan = checked((query(Condition("component", "in", ("p-101", "ct-401")), Condition("value", ">=", "3.5")),), KNOWN)
    assert plan.queries[0].conditions == (
        Condition("component", "in", ("P-101", "CT-401")),
        Condition("value", ">=", 3.5),
    )


@pytest.mark.parametrize(
    ("wrong", "unknown"),
    [
        (query(collection="TelemetryEvents"), Unknown("TelemetryEvents", "", "", ("TelemetryEvent",))),
        (
            query(Condition("componnent", "=", "P-101")),
            Unknown("componnent", "TelemetryEvent", "", ("component",)),
        ),
        (
            query(Condition("component", "=", "P-109")),
            Unknown("P-109", "TelemetryEvent", "component", ("P-102", "P-101")),
        ),
        (
            query(sort="t_begin"),
            Unknown("t_begin", "TelemetryEvent", "", ("id", "t_start", "component", "value", "ok")),
        ),
        (query(aggregates=(Aggregate("sum", "values"),)), Unknown("values", "TelemetryEvent", "", ("value",))),
        (
            query(groups=(Group("componet"),), aggregates=(Aggregate("count"),)),
            Unknown("componet", "TelemetryEvent", "", ("component",)),
        ),
    ],
    ids=["collection", "field", "value", "sort", "total", "group"],
)
def test_a_name_that_does_not_exist_gives_the_nearest(wrong: RecordQuery, unknown: Unknown) -> None:
    """Nothing is asked then, not even what was proposed beside it."""
    plan = checked((wrong, query()), KNOWN)
    assert plan.queries == ()
    (told,) = plan.unknown
    assert (told.name, told.collection, told.field) == (unknown.name, unknown.collection, unknown.field)
    assert told.nearest[:1] == unknown.nearest[:1]


@pytest.mark.parametrize(
    "senseless",
    [
        query(Condition("value", ">", "high")),
        query(Condition("ok", "<", True)),
        query(Condition("value", "contains", 3)),
        query(Condition("t_start", ">", "yesterday")),
        query(aggregates=(Aggregate("avg", "component"),)),
        query(groups=(Group("component", "day"),), aggregates=(Aggregate("count"),)),
        query(groups=(Group("component"),)),
        query(aggregates=(Aggregate("count"),), sort="value"),
    ],
)
def test_what_makes_no_sense_is_left_out(senseless: RecordQuery) -> None:
    """The other queries are asked all the same."""
    assert checked((senseless, query(sort="t_start")), KNOWN) == Plan((query(sort="t_start"),))


NAMES = st.sampled_from(["TelemetryEvent", *EVENTS.fields, "count", "avg value", "componet", ""])
VALUES = st.sampled_from(["P-101", "p-102", "2026-03-09", "3", "x'; DROP TABLE records", 3, 2.5, True])
CONDITIONS = st.one_of(
    st.builds(Condition, NAMES, st.sampled_from(["=", "!=", "<", ">=", "contains"]), VALUES),
    st.builds(Condition, NAMES, st.just("in"), st.lists(VALUES, max_size=3).map(tuple)),
)
GROUPS = st.builds(Group, NAMES, st.sampled_from(["", "day", "month"]))
AGGREGATES = st.builds(Aggregate, st.sampled_from(["count", "sum", "avg", "min", "max"]), NAMES)
QUERIES = st.builds(
    RecordQuery,
    NAMES,
    st.lists(CONDITIONS, max_size=2).map(tuple),
    st.none() | NAMES,
    st.booleans(),
    st.integers(1, 50),
    st.lists(GROUPS, max_size=2).map(tuple),
    st.lists(AGGREGATES, max_size=2).map(tuple),
)


@given(st.lists(QUERIES, max_size=3))
def test_whatever_is_proposed_what_is_left_can_be_asked(proposed: list[RecordQuery]) -> None:
    """No query of a checked plan is refused by a store, and every unknown name comes with names that exist."""
    plan = checked(proposed, KNOWN)
    for left in plan.queries:
        compiled = summarise if left.aggregates else select
        compiled(left, EVENTS.fields, "")
    for unknown in plan.unknown:
        assert unknown.nearest
