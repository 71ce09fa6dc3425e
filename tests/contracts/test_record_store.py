"""What every `RecordStore` must do."""

import math
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from graph.errors import InvalidAggregate, InvalidCondition, InvalidRecord, UnknownCollection, UnknownField
from graph.ports import RecordStore
from graph.types import Aggregate, Condition, Function, Group, Operator, Record, RecordKey, RecordQuery
from retrieval.types import Scalar
from tests.contracts.graph_stores import STORES, stores


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RecordStore]:
    async with stores(request.param, tmp_path) as (_, records):
        yield records


def event(id: str, **fields: Scalar | None) -> Record:
    return Record("Event", id, fields)


EVENTS = (
    event("a", t_start="2026-03-11T06:00:00Z", value=9, ok=True, mode="cooling"),
    event("b", t_start="2026-03-11T07:00:00+02:00", value=10.5, ok=False, mode="stopped"),
    event("c", t_start="2026-03-10", value=None, mode="Cooling by hand"),
)


async def ids(
    store: RecordStore, *conditions: Condition, sort: str | None = None, descending: bool = True
) -> list[str]:
    found = await store.query(RecordQuery("Event", conditions, sort, descending, 10))
    return [record.id for record in found]


async def test_an_empty_store_has_no_collections(store: RecordStore) -> None:
    """And asking for one names it."""
    assert await store.collections() == {}
    assert await store.namespaces() == []
    assert await store.page("Event", "", limit=5) == []
    with pytest.raises(UnknownCollection):
        await store.query(RecordQuery("Event"))
    await store.put([])


async def test_records_come_in_pages(store: RecordStore) -> None:
    """Each once and whole, in one order of ids whatever their letters, of one collection and one namespace."""
    names = ["", "-", "A", "Z", "a", "b", "é", "ß", "文", "🧊", "0", "10", "9"]
    records = [event(f"x{name}", value=n) for n, name in enumerate(names)]
    await store.put([*records, Record("Other", "xa", {"value": 1})])
    await store.put([event("elsewhere")], namespace="acme")
    after, found = "", list[Record]()
    while page := await store.page("Event", after, limit=4):
        assert len(page) <= 4
        found += page
        after = page[-1].id
    assert sorted(found, key=lambda record: record.id) == sorted(records, key=lambda record: record.id)
    assert await store.page("Nothing", "", limit=4) == []
    assert await store.namespaces() == ["", "acme"]


@pytest.mark.parametrize(
    ("field", "operator", "value", "expected"),
    [
        ("value", "=", 9, ["a"]),
        ("value", ">", 9, ["b"]),
        ("value", ">=", 9.0, ["a", "b"]),
        ("value", "<", 100, ["a", "b"]),
        ("value", "!=", 9, ["b", "c"]),
        ("ok", "=", True, ["a"]),
        ("ok", "!=", True, ["b", "c"]),
        ("mode", "=", "cooling", ["a"]),
        ("mode", "!=", "cooling", ["b", "c"]),
        ("mode", "contains", "COOL", ["a", "c"]),
        ("mode", "contains", "%", []),
        ("mode", "<", "d", ["a", "c"]),
        ("t_start", ">", "2026-03-11T05:30:00Z", ["a"]),
        ("t_start", "=", "2026-03-11 05:00", ["b"]),
        ("t_start", "<", "2026-03-11", ["c"]),
        ("t_start", "contains", "03-11", ["a", "b"]),
        ("id", "=", "b", ["b"]),
        ("mode", "in", ("cooling", "stopped"), ["a", "b"]),
        ("value", "in", (9, 11), ["a"]),
        ("t_start", "in", ("2026-03-11T05:00:00Z", "2026-03-10"), ["b", "c"]),
        ("mode", "in", (), []),
    ],
)
async def test_conditions_compare_by_type(
    store: RecordStore, field: str, operator: Operator, value: Scalar | tuple[Scalar, ...], expected: list[str]
) -> None:
    """Numbers as numbers, times as instants whatever their zone, texts as texts; null matches `!=` only."""
    await store.put(EVENTS)
    assert await ids(store, Condition(field, operator, value)) == expected


async def test_sorting(store: RecordStore) -> None:
    """By the field's type; null last in either direction; ties and no sort by id."""
    await store.put([*EVENTS, event("d", value=9)])
    assert await ids(store, sort="value") == ["b", "a", "d", "c"]
    assert await ids(store, sort="value", descending=False) == ["a", "d", "b", "c"]
    assert await ids(store, sort="t_start") == ["a", "b", "c", "d"]
    assert await ids(store) == ["a", "b", "c", "d"]
    assert await store.query(RecordQuery("Event", limit=0)) == []
    assert len(await store.query(RecordQuery("Event", limit=2))) == 2


async def test_records_come_back_as_they_went_in(store: RecordStore) -> None:
    """Values keep their types, an integer stays one; `put` replaces by collection and id."""
    await store.put(EVENTS)
    found = await store.query(RecordQuery("Event", limit=3))
    assert tuple(found) == EVENTS
    await store.put([event("a", value=1)])
    (replaced,) = await store.query(RecordQuery("Event", (Condition("id", "=", "a"),)))
    assert replaced == event("a", value=1)
    assert (await store.collections())["Event"].count == 3


async def test_collections_tell_fields_and_few_values(store: RecordStore) -> None:
    """Types are inferred, also over several calls; the values of a field of more than 50 are not listed."""
    await store.put(EVENTS)
    await store.put([Record("Other", str(i), {"tag": f"t{i}", "later": None}) for i in range(51)])
    await store.put([Record("Other", "0", {"tag": "t0", "later": 3})])
    found = await store.collections()
    assert dict(found["Event"].fields) == {
        "id": "text",
        "t_start": "time",
        "value": "number",
        "ok": "boolean",
        "mode": "text",
    }
    assert found["Event"].values["mode"] == ("Cooling by hand", "cooling", "stopped")
    assert found["Other"].fields["later"] == "number"
    assert "tag" not in found["Other"].values
    await store.put([event("d", mode="stopped by hand")])
    assert "stopped by hand" in (await store.collections())["Event"].values["mode"]


async def test_a_field_of_different_types_is_text(store: RecordStore) -> None:
    """What was a number before compares as text from then on."""
    await store.put([event("a", value=7)])
    await store.put([event("b", value="seven")])
    assert (await store.collections())["Event"].fields["value"] == "text"
    assert await ids(store, Condition("value", "=", "7")) == ["a"]


async def test_unknown_names_come_with_the_nearest(store: RecordStore) -> None:
    """Of fields in conditions, of the sort field and of collections."""
    await store.put(EVENTS)
    with pytest.raises(UnknownField) as unknown:
        await ids(store, Condition("valeu", "=", 1))
    assert unknown.value.nearest == ("value",)
    with pytest.raises(UnknownField):
        await ids(store, sort="t_stat")
    with pytest.raises(UnknownCollection) as missing:
        await store.query(RecordQuery("Evnt"))
    assert missing.value.nearest == ("Event",)


@pytest.mark.parametrize(
    "condition",
    [
        Condition("value", "=", "nine"),
        Condition("value", "=", True),
        Condition("value", "contains", "9"),
        Condition("ok", "=", 1),
        Condition("ok", "<", True),
        Condition("t_start", ">", "yesterday"),
        Condition("mode", "=", 3),
        Condition("mode", "=", ("cooling",)),
        Condition("mode", "in", "cooling"),
        Condition("value", "in", (9, "nine")),
    ],
)
async def test_a_condition_has_to_fit_its_field(store: RecordStore, condition: Condition) -> None:
    """Else nothing runs."""
    await store.put(EVENTS)
    with pytest.raises(InvalidCondition):
        await ids(store, condition)


@pytest.mark.parametrize(
    "record",
    [
        event(""),
        Record("", "a", {}),
        Record('E"vent', "a", {}),
        event("a", **{'va"lue': 1}),
        event("a", **{"": 1}),
        event("a", value=math.nan),
    ],
)
async def test_names_that_no_query_could_carry_are_refused(store: RecordStore, record: Record) -> None:
    """And nothing of the call is stored."""
    with pytest.raises(InvalidRecord):
        await store.put([event("good", value=1), record])
    assert await store.collections() == {}


@pytest.mark.parametrize("name", ["a b", "a.b", "a'b", "$.a", "température", "a]", "日本", "a; DROP TABLE record"])
async def test_names_and_values_are_data(store: RecordStore, name: str) -> None:
    """Whatever stands in a field's name or a value means itself."""
    await store.put([Record("Event", name, {name: f"{name}'"}), event("z", **{name: "other"})])
    assert await ids(store, Condition(name, "=", f"{name}'"), sort=name) == [name]


async def test_namespaces_are_apart(store: RecordStore) -> None:
    """Collections of one are unknown in another."""
    await store.put(EVENTS, namespace="a")
    assert await store.collections(namespace="b") == {}
    with pytest.raises(UnknownCollection):
        await store.query(RecordQuery("Event"), namespace="b")
    assert len(await store.query(RecordQuery("Event"), namespace="a")) == 3


async def totals(store: RecordStore, query: RecordQuery) -> list[list[Scalar | None]]:
    return [list(record.fields.values()) for record in await store.query(query)]


COUNT = Aggregate("count")
READINGS = (
    event("a", t_start="2026-03-11T06:00:00Z", value=9, ok=True, mode="cooling"),
    event("b", t_start="2026-03-11T23:30:00-02:00", value=10.5, ok=False, mode="stopped"),
    event("c", t_start="2026-03-10", value=3, ok=True, mode="cooling"),
    event("d", t_start=None, value=None, ok=None, mode=None),
)


async def test_totals_of_all(store: RecordStore) -> None:
    """One row, whatever is counted; null values are in the count alone; instants are told in UTC."""
    await store.put(READINGS)
    every = tuple(Aggregate(function, "value") for function in ("sum", "avg", "min", "max"))
    (found,) = await store.query(RecordQuery("Event", aggregates=(COUNT, *every)))
    assert found == Record(
        "Event",
        "count, sum value, avg value, min value, max value",
        {"count": 4, "sum value": 22.5, "avg value": 7.5, "min value": 3, "max value": 10.5},
    )
    times = RecordQuery("Event", aggregates=(Aggregate("min", "t_start"), Aggregate("max", "t_start")))
    assert await totals(store, times) == [["2026-03-10T00:00:00Z", "2026-03-12T01:30:00Z"]]
    assert await totals(store, RecordQuery("Event", aggregates=(Aggregate("max", "mode"),))) == [["stopped"]]


async def test_a_total_of_no_records(store: RecordStore) -> None:
    """The count is 0 and the rest unknown; there is no group."""
    await store.put(READINGS)
    none = (Condition("value", ">", 100),)
    query = RecordQuery("Event", none, aggregates=(COUNT, Aggregate("sum", "value"), Aggregate("avg", "value")))
    (found,) = await store.query(query)
    assert found.id == "count, sum value, avg value where value > 100"
    assert list(found.fields.values()) == [0, None, None]
    assert await totals(store, RecordQuery("Event", none, groups=(Group("mode"),), aggregates=(COUNT,))) == []


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        (Group("mode"), [["cooling", 2, 12], ["stopped", 1, 10.5], [None, 1, None]]),
        (Group("ok"), [[False, 1, 10.5], [True, 2, 12], [None, 1, None]]),
        (Group("value"), [[3, 1, 3], [9, 1, 9], [10.5, 1, 10.5], [None, 1, None]]),
        (
            Group("t_start", "day"),
            [["2026-03-10", 1, 3], ["2026-03-11", 1, 9], ["2026-03-12", 1, 10.5], [None, 1, None]],
        ),
        (Group("t_start", "month"), [["2026-03", 3, 22.5], [None, 1, None]]),
    ],
)
async def test_totals_of_groups(store: RecordStore, group: Group, expected: list[list[Scalar | None]]) -> None:
    """A row for each value, in their order and null last; a time by its day or month in UTC."""
    await store.put(READINGS)
    query = RecordQuery("Event", groups=(group,), aggregates=(COUNT, Aggregate("sum", "value")), limit=10)
    assert await totals(store, query) == expected


async def test_totals_are_sorted_and_limited(store: RecordStore) -> None:
    """By a total or a group, null last; conditions come first; two fields make groups of pairs."""
    await store.put(READINGS)
    by_count = RecordQuery("Event", (), "count", True, 1, (Group("mode"),), (COUNT,))
    assert await totals(store, by_count) == [["cooling", 2]]
    (found,) = await store.query(by_count)
    assert found == Record("Event", "count per mode: cooling", {"mode": "cooling", "count": 2})
    by_mode = RecordQuery("Event", (Condition("value", ">", 3),), "mode", True, 9, (Group("mode"),), (COUNT,))
    assert await totals(store, by_mode) == [["stopped", 1], ["cooling", 1]]
    pairs = RecordQuery("Event", (), "sum value", False, 9, (Group("mode"), Group("ok")), (Aggregate("sum", "value"),))
    assert await totals(store, pairs) == [["stopped", False, 10.5], ["cooling", True, 12], [None, None, None]]


@pytest.mark.parametrize(
    ("function", "field"),
    [("sum", "mode"), ("avg", "t_start"), ("min", "ok"), ("count", "value")],
)
async def test_a_total_has_to_fit_its_field(store: RecordStore, function: Function, field: str) -> None:
    """Else nothing runs; neither does a period of what is no time, nor an unknown name."""
    await store.put(READINGS)
    with pytest.raises(InvalidAggregate):
        await store.query(RecordQuery("Event", aggregates=(Aggregate(function, field),)))
    with pytest.raises(InvalidAggregate):
        await store.query(RecordQuery("Event", groups=(Group("mode", "day"),), aggregates=(COUNT,)))
    for query in (
        RecordQuery("Event", groups=(Group("mood"),), aggregates=(COUNT,)),
        RecordQuery("Event", aggregates=(Aggregate("sum", "valeu"),)),
        RecordQuery("Event", sort="value", aggregates=(COUNT,)),
    ):
        with pytest.raises(UnknownField):
            await store.query(query)


async def test_a_declared_type_is_kept(store: RecordStore) -> None:
    """Where values would tell another: a serial number that looks like a day is a text, and compared as one."""
    await store.put([Record("Part", "p", {"serial": "2025-03-04"}, {"serial": "text"})])
    assert (await store.collections())["Part"].fields == {"id": "text", "serial": "text"}
    query = RecordQuery("Part", (Condition("serial", "=", "2025-03-04"),))
    assert [record.id for record in await store.query(query)] == ["p"]
    with_text = RecordQuery("Part", (Condition("serial", ">", "2025-03"),))
    assert [record.id for record in await store.query(with_text)] == ["p"]


async def test_a_deleted_record_is_gone(store: RecordStore) -> None:
    """From queries, pages, totals and what is told of its collection, in its namespace alone; deleting tells which were
    there."""
    await store.put(EVENTS)
    await store.put(EVENTS, namespace="acme")
    await store.collections()
    b, unknown = RecordKey("Event", "b"), RecordKey("Event", "none")
    assert await store.delete([b, unknown, b, RecordKey("Nothing", "b")]) == [b]
    assert await store.delete([b]) == []
    assert await store.delete([]) == []
    assert sorted(await ids(store)) == ["a", "c"]
    assert [record.id for record in await store.page("Event", "", limit=5)] == ["a", "c"]
    assert await totals(store, RecordQuery("Event", aggregates=(COUNT,))) == [[2]]
    told = (await store.collections())["Event"]
    assert (told.count, told.values["mode"]) == (2, ("Cooling by hand", "cooling"))
    assert (await store.collections(namespace="acme"))["Event"].count == 3


async def test_a_collection_goes_with_its_last_record(store: RecordStore) -> None:
    """And what was known of its fields: put again, it is what it then is."""
    await store.put([event("a", value="text"), Record("Other", "o", {"value": 1})])
    await store.collections()
    await store.delete([RecordKey("Event", "a")])
    assert list(await store.collections()) == ["Other"]
    with pytest.raises(UnknownCollection):
        await store.query(RecordQuery("Event"))
    await store.put([event("b", value=1)])
    assert (await store.collections())["Event"].fields == {"id": "text", "value": "number"}
    await store.delete([RecordKey("Event", "b"), RecordKey("Other", "o")])
    assert (await store.collections(), await store.namespaces()) == ({}, [])
