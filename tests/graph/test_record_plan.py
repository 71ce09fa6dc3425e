"""Questions to plans over all collections: totals, states, and names that do not exist."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from graph.planning.plan import Plan, Unknown, record_plan
from graph.types import Aggregate, Collection, Condition, Group, RecordQuery

COLLECTIONS = {
    collection.name: collection
    for collection in (
        Collection(
            "DoorEvent",
            40,
            {"id": "text", "t_start": "time", "door": "text", "sensor": "text", "value": "number", "severity": "text"},
            {"door": ("D-1", "D-2", "D-31"), "sensor": ("RT-1", "RT-2"), "severity": ("critical", "info", "warning")},
        ),
        Collection(
            "RoomState",
            12,
            {"id": "text", "timestamp": "time", "fault": "text", "temp_c": "number", "load_pct": "number"},
            {"fault": ("fan_stuck", "none")},
        ),
        Collection("RepairTask", 3, {"id": "text", "t_due": "time", "status": "text"}, {"status": ("done", "planned")}),
    )
}
NOW = datetime(2026, 3, 14, 12, tzinfo=UTC)
COUNT = (Aggregate("count"),)


def plan(question: str) -> Plan:
    return record_plan(question, COLLECTIONS, NOW)


def totals(query: RecordQuery) -> tuple[tuple[Group, ...], tuple[Aggregate, ...], str | None]:
    return query.groups, query.aggregates, query.sort


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How many door events are there?", ((), COUNT, None)),
        ("Hoeveel DoorEvents zijn er?", ((), COUNT, None)),
        ("number of critical door events", ((), COUNT, None)),
        ("How many door events per door?", ((Group("door"),), COUNT, "count")),
        ("door events per severity", ((Group("severity"),), COUNT, "count")),
        ("Aantal DoorEvents per dag", ((Group("t_start", "day"),), COUNT, None)),
        ("room states by month", ((Group("timestamp", "month"),), COUNT, None)),
        ("average temp of the room states", ((), (Aggregate("avg", "temp_c"),), None)),
        ("gemiddelde waarde van de DoorEvents", ((), (Aggregate("avg", "value"),), None)),
        ("highest load per fault of room states", ((Group("fault"),), (Aggregate("max", "load_pct"),), "max load_pct")),
        ("totale load van de RoomStates", ((), (Aggregate("sum", "load_pct"),), None)),
    ],
)
def test_totals(question: str, expected: tuple[tuple[Group, ...], tuple[Aggregate, ...], str | None]) -> None:
    """Counted, summed or averaged, over all or for each value, day or month; groups with the greatest total first."""
    (query,) = plan(question).queries
    assert totals(query) == expected


def test_what_is_counted_is_what_is_asked_for() -> None:
    """Values in Dutch words too, and within the time that the question names."""
    (query,) = plan("Hoeveel kritieke DoorEvents waren er vorige week?").queries
    assert query.conditions == (
        Condition("severity", "=", "critical"),
        Condition("t_start", ">=", "2026-03-02T00:00:00Z"),
        Condition("t_start", "<", "2026-03-09T00:00:00Z"),
    )
    (query,) = plan("door events with severity warning or critical").queries
    assert query.conditions == (Condition("severity", "in", ("critical", "warning")),)


@pytest.mark.parametrize(
    "question",
    [
        "Wat is de huidige status van de machine?",
        "What is the current state of the plant?",
        "What's the status?",
        "Hoe is de toestand nu?",
    ],
)
def test_the_current_state(question: str) -> None:
    """The newest of each collection that tells when something was, and the newest failing of one that tells failures;
    not what is due."""
    assert plan(question).queries == (
        RecordQuery("DoorEvent", (), "t_start", True, 1),
        RecordQuery("RoomState", (), "timestamp", True, 1),
        RecordQuery("RoomState", (Condition("fault", "!=", "none"),), "timestamp", True, 3),
    )


def test_the_state_of_one_thing() -> None:
    """Only the collections that hold it are asked; of a thing that none holds nothing is."""
    (query,) = plan("What is the current state of D-31?").queries
    assert (query.collection, query.conditions) == ("DoorEvent", (Condition("door", "=", "D-31"),))
    assert not plan("What is the current state of K-7?")


@pytest.mark.parametrize(
    ("question", "unknown"),
    [
        ("door events of D-32", Unknown("D-32", "DoorEvent", "door", ("D-2", "D-31"))),
        ("repair tasks with status finished", Unknown("finished", "RepairTask", "status", ("done", "planned"))),
        ("the newest DorEvent", Unknown("DorEvent", "", "", ("DoorEvent",))),
    ],
)
def test_a_name_that_does_not_exist(question: str, unknown: Unknown) -> None:
    """Nothing is queried; the nearest names that exist are told."""
    assert plan(question) == Plan((), (unknown,))


def test_a_field_that_does_not_exist() -> None:
    """With no field like it, the first of those that there are."""
    (unknown,) = plan("door events per gate").unknown
    assert (unknown.name, unknown.field, unknown.nearest[:2]) == ("gate", "", ("id", "t_start"))
    (unknown,) = plan("door events per sevrity").unknown
    assert unknown.nearest == ("severity",)


@pytest.mark.parametrize(
    "question",
    ["How many minutes does a task take?", "How does one open D-31?", "What is an average?", ""],
)
def test_what_asks_for_no_records(question: str) -> None:
    """A passage answers it."""
    assert not plan(question)


@pytest.mark.parametrize(
    ("question", "collection", "id"),
    [
        ("what is event 4711", "DoorEvent", "4711"),
        ("What is door event DE-0017?", "DoorEvent", "DE-0017"),
        ("Toon DoorEvent DE-0017", "DoorEvent", "DE-0017"),
        ("Show RepairTask number 12", "RepairTask", "12"),
        ("repair task RT-77 please", "RepairTask", "RT-77"),
    ],
)
def test_a_record_is_named_by_its_id(question: str, collection: str, id: str) -> None:
    """Its collection, whole or by its last word, and a code or number behind it."""
    assert plan(question) == Plan((RecordQuery(collection, (Condition("id", "=", id),), limit=1),))


@pytest.mark.parametrize(
    "question",
    ["Show door event 5 minutes ago", "Which door event 2026 was the last?", "Which door event D-1 was the last?"],
)
def test_a_number_of_something_is_no_id(question: str) -> None:
    """A quantity, a year, and a value of another field are none."""
    assert not any(condition.field == "id" for query in plan(question).queries for condition in query.conditions)


def test_a_code_alone_may_be_an_id() -> None:
    """It is looked for where ids may be written so, on suspicion alone; a value that is known is none."""
    found = plan("What did DE-0017 say?")
    assert found.maybe
    assert {query.collection for query in found.queries} == set(COLLECTIONS)
    assert plan("What is D-31?") == Plan((), maybe=True)
    tasks = {"RepairTask": replace(COLLECTIONS["RepairTask"], values={"id": ("RT-01", "RT-02")})}
    assert record_plan("What did DE-0017 say?", tasks, NOW) == Plan((), maybe=True)
    assert [query.collection for query in record_plan("What is RT-77?", tasks, NOW).queries] == ["RepairTask"]
