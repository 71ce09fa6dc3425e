import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pytest

from chatserver.pipeline.retrieve import Retriever
from graph.errors import UnknownField
from graph.planning.plan import Plan
from graph.types import Collection, Condition, Fact, Record, RecordQuery
from retrieval.errors import NoLegAnswered, Temporary
from retrieval.ports import Filter
from retrieval.types import Found, LegReport, LegState, Passage, RankedPassage

NOW = datetime(2026, 3, 14, 12, tzinfo=UTC)
PASSAGE = RankedPassage(Passage("d#0", "d", "Pumps", "P-101 moves the glycol."), 0.9, ("keyword #1",))
FACT = Fact("P-101", "mentioned with", "V-12", "d#0")
RECORD = Record("TelemetryEvent", "e1", {"value": 3.5})


FOUND = Found((PASSAGE,), (LegReport("keyword", LegState.OK, 1.0, 1),))


class Sources:
    """Every collaborator at once: each call gives its result, raises its error, or never ends."""

    def __init__(self, **faults: Exception | None) -> None:
        self.faults = faults  # None: stall

    async def _fault(self, name: str) -> None:
        if name in self.faults:
            if (error := self.faults[name]) is not None:
                raise error
            await asyncio.Event().wait()

    async def __call__(self, text: str, *, namespace: str, filter: Filter | None) -> Found:
        await self._fault("search")
        return FOUND

    async def facts(self, passages: Sequence[str], *, limit: int, namespace: str = "") -> list[Fact]:
        await self._fault("facts")
        return [FACT]

    async def collections(self, *, namespace: str = "") -> Mapping[str, Collection]:
        return {"TelemetryEvent": Collection("TelemetryEvent", 1, {"value": "number"})}

    async def query(self, query: RecordQuery, *, namespace: str = "") -> list[Record]:
        await self._fault("records")
        return [] if query.collection == "Nothing" else [RECORD]


def plan(question: str, known: Mapping[str, Collection], now: datetime) -> Plan:
    if "code" in question:
        return Plan((RecordQuery("TelemetryEvent"), RecordQuery("Nothing")), maybe=True)
    if "nothing" in question:
        return Plan((RecordQuery("Nothing", (Condition("id", "=", "x"),)),), maybe="perhaps" in question)
    return Plan((RecordQuery("TelemetryEvent"),)) if "event" in question else Plan()


def retriever(sources: Sources) -> Retriever:
    """Its deadline is met by whatever does not stall."""
    return Retriever(sources, facts=sources, records=sources, plan=plan, deadline_s=0.5)


def states(legs: Sequence[LegReport]) -> dict[str, tuple[str, str, int]]:
    return {leg.leg: (str(leg.state), leg.code, leg.hits) for leg in legs}


async def test_all_legs_make_one_context() -> None:
    """Passages, facts and records come together, and each leg is reported."""
    found = await retriever(Sources()).retrieve("the newest event", asked_at=NOW)
    assert (found.context.passages, found.context.facts, found.context.records) == ((PASSAGE,), (FACT,), (RECORD,))
    assert states(found.legs) == {"keyword": ("ok", "", 1), "facts": ("ok", "", 1), "records": ("ok", "", 1)}
    assert not found.failed


async def test_a_question_for_no_records_reports_no_such_leg() -> None:
    """The records leg is named only where records were asked for."""
    found = await retriever(Sources()).retrieve("what is a pump", asked_at=NOW)
    assert set(states(found.legs)) == {"keyword", "facts"}


async def test_what_was_asked_on_suspicion_and_is_not_there_was_never_asked() -> None:
    """A code that may be an id: where it is one the record comes, else nobody hears of it. What the question
    asks for outright is told as not found."""
    found = await retriever(Sources()).retrieve("a code", asked_at=NOW)
    assert (found.context.records, found.asked) == ((RECORD,), ("TelemetryEvent, at most 5",))
    found = await retriever(Sources()).retrieve("perhaps nothing", asked_at=NOW)
    assert (set(states(found.legs)), found.context.notes, found.stopped) == ({"keyword", "facts"}, (), "")
    found = await retriever(Sources()).retrieve("nothing", asked_at=NOW)
    assert [note.code for note in found.context.notes] == ["empty_range"]


async def test_without_graph_and_records_passages_are_enough() -> None:
    """Facts and records are optional."""
    found = await Retriever(Sources()).retrieve("the newest event", asked_at=NOW)
    assert found.context.passages == (PASSAGE,)
    assert set(states(found.legs)) == {"keyword"}


@pytest.mark.parametrize(
    ("leg", "fault", "expected"),
    [
        ("facts", Temporary("down"), ("failed", "upstream_unavailable", 0)),
        ("facts", None, ("late", "deadline_exceeded", 0)),
        ("records", UnknownField("t_strat", ["t_start"]), ("failed", "unknown_field", 0)),
        ("records", None, ("late", "deadline_exceeded", 0)),
        ("records", ValueError("a bug"), ("failed", "internal", 0)),
        ("search", Temporary("down"), ("failed", "upstream_unavailable", 0)),
        ("search", None, ("late", "deadline_exceeded", 0)),
    ],
)
async def test_a_failed_leg_is_named_and_the_rest_comes(
    leg: str, fault: Exception | None, expected: tuple[str, str, int]
) -> None:
    """One leg's failure, lateness or bug leaves the others' results and is reported with a code."""
    found = await retriever(Sources(**{leg: fault})).retrieve("the newest event", asked_at=NOW)
    assert states(found.legs)[leg] == expected
    assert not found.failed
    assert bool(found.context.records) == (leg != "records")
    assert bool(found.context.passages) == (leg != "search")


async def test_nothing_found_because_of_a_failure_is_a_failure() -> None:
    """With no passage, no record and a failed leg, the context is no ground for an answer."""
    assert (await retriever(Sources(search=Temporary("down"))).retrieve("what is a pump", asked_at=NOW)).failed


async def test_legs_that_all_failed_are_each_named() -> None:
    """When no leg of the search answered, their own reports are told."""
    legs = (
        LegReport("vector", LegState.LATE, 5.0, 0, "deadline_exceeded"),
        LegReport("keyword", LegState.FAILED, 1.0, 0, "x"),
    )
    found = await retriever(Sources(search=NoLegAnswered(legs))).retrieve("what is a pump", asked_at=NOW)
    assert found.legs == legs
    assert found.failed


async def test_cancellation_is_passed_on() -> None:
    """Cancelling a retrieval ends it."""
    task = asyncio.create_task(Retriever(Sources(search=None), deadline_s=60).retrieve("x", asked_at=NOW))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
