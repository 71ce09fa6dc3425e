"""Questions to record queries."""

from datetime import UTC, datetime

import pytest

from graph.records import record_query
from graph.types import Collection, Condition, RecordQuery

COLLECTIONS = {
    collection.name: collection
    for collection in (
        Collection(
            "TelemetryEvent",
            65,
            {"id": "text", "t_start": "time", "component": "text", "sensor": "text", "value": "number", "unit": "text"}
            | {"severity": "text"},
            {
                "component": ("C-201", "P-101"),
                "sensor": ("PT-205", "PT-206"),
                "severity": ("critical", "info", "warning"),
            },
        ),
        Collection(
            "WorldStateSnapshot",
            30,
            {"id": "text", "t_start": "time", "mode": "text", "failure_mode": "text", "supply_temp_c": "number"}
            | {"discharge_bar": "number", "duty_pump": "text"},
            {
                "mode": ("cooling", "stopped"),
                "failure_mode": ("none", "pump_bearing_wear"),
                "duty_pump": ("P-101", "P-102"),
            },
        ),
        Collection(
            "MaintenanceTask",
            18,
            {"id": "text", "t_due": "time", "t_done": "time", "status": "text"},
            {"status": ("done", "overdue", "planned")},
        ),
    )
}


def plan(question: str) -> RecordQuery | None:
    return record_query(question, COLLECTIONS, NOW)


NOW = datetime(2026, 3, 14, 12, tzinfo=UTC)
EVENT, SNAPSHOT, TASK = "TelemetryEvent", "WorldStateSnapshot", "MaintenanceTask"


@pytest.mark.parametrize(
    ("question", "query"),
    [
        ("Show the newest TelemetryEvent", RecordQuery(EVENT, (), "t_start", True, 1)),
        ("show the most recent telemetry event", RecordQuery(EVENT, (), "t_start", True, 1)),
        ("the last 3 telemetry events", RecordQuery(EVENT, (), "t_start", True, 3)),
        ("Toon de laatste drie TelemetryEvents.", RecordQuery(EVENT, (), "t_start", True, 3)),
        ("Wat was de oudste TelemetryEvent?", RecordQuery(EVENT, (), "t_start", False, 1)),
        ("Which is the latest snapshot?", RecordQuery(SNAPSHOT, (), "t_start", True, 1)),
        ("which maintenance task was done last", RecordQuery(TASK, (), "t_done", True, 1)),
    ],
)
def test_newest_and_oldest(question: str, query: RecordQuery) -> None:
    """Sorted by the time field that the question speaks of; one record unless it asks for more."""
    found = plan(question)
    assert found is not None
    assert (found.collection, found.sort, found.descending, found.limit) == (
        query.collection,
        query.sort,
        query.descending,
        query.limit,
    )


@pytest.mark.parametrize(
    ("question", "conditions"),
    [
        ("TelemetryEvent of P-101", [Condition("component", "=", "P-101")]),
        (
            "critical telemetry events of p-101",
            [Condition("severity", "=", "critical"), Condition("component", "=", "P-101")],
        ),
        ("telemetry events that are not critical", [Condition("severity", "!=", "critical")]),
        ("telemetry events, warning or critical", [Condition("severity", "in", ("critical", "warning"))]),
        ("WorldStateSnapshot with failure_mode other than none", [Condition("failure_mode", "!=", "none")]),
        ("failing world state snapshots", [Condition("failure_mode", "!=", "none")]),
        ("WorldStateSnapshots met een storing", [Condition("failure_mode", "!=", "none")]),
        ("snapshots with a failure", [Condition("failure_mode", "!=", "none")]),
        ("snapshots with pump bearing wear", [Condition("failure_mode", "=", "pump_bearing_wear")]),
        ("maintenance tasks with status overdue", [Condition("status", "=", "overdue")]),
        ("telemetry events with a value above 80", [Condition("value", ">", 80)]),
        ("TelemetryEvents boven 4,5 bar", [Condition("value", ">", 4.5)]),
        ("world state snapshots with supply temperature below -4.5", [Condition("supply_temp_c", "<", -4.5)]),
        ("world state snapshots met discharge van meer dan 14", [Condition("discharge_bar", ">", 14)]),
        (
            "telemetry events of PT-206 with at least 16",
            [Condition("value", ">=", 16), Condition("sensor", "=", "PT-206")],
        ),
    ],
)
def test_conditions(question: str, conditions: list[Condition]) -> None:
    """Values of fields, their negation, failures and numbers, in English and Dutch."""
    found = plan(question)
    assert found is not None
    assert sorted(map(repr, found.conditions)) == sorted(map(repr, conditions))


def test_the_highest_value() -> None:
    """A superlative sorts by the number that it is about."""
    found = plan("Show the TelemetryEvent with the highest value for sensor PT-206.")
    assert found == RecordQuery(EVENT, (Condition("sensor", "=", "PT-206"),), "value", True, 1)
    found = plan("WorldStateSnapshot met de laagste supply temperature")
    assert found == RecordQuery(SNAPSHOT, (), "supply_temp_c", False, 1)


def test_a_value_that_only_one_collection_has_names_it() -> None:
    """Together with a cue; a value that two have names none."""
    found = plan("What was the latest of PT-206?")
    assert found is not None
    assert found.collection == EVENT
    assert plan("What was the latest of P-101?") is None


@pytest.mark.parametrize(
    "question",
    [
        "What does alarm A-41 mean?",
        "Which valve is to blame?",
        "Hoe snel moet de storingsmonteur op de locatie zijn?",
        "What is the latest news?",
        "Where does PT-206 sit?",
        "Who handles an event?",
        "Hello",
        "",
    ],
)
def test_anything_else_is_not_about_records(question: str) -> None:
    """No collection named and no clear cue: no query."""
    assert plan(question) is None
    assert record_query("Show the newest TelemetryEvent", {}, NOW) is None
