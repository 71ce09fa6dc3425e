"""From a question to the context of its answer: passages, the graph's facts about them, and typed records.

Passages then facts, and beside them records, run under one deadline. What fails or is late is left out and named in
a `LegReport`; the answer is written from the rest. Nothing but cancellation comes out of here as an exception.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, Protocol, TypeAlias, TypeVar

import structlog

from chatserver.models.port import Context
from chatserver.pipeline.looking import Look, left_open, looks, new, notes, onward
from graph.planning.checked import checked
from graph.planning.plan import Plan
from graph.planning.wording import query_text
from graph.types import Collection, Fact, Record, RecordQuery
from retrieval.errors import NoLegAnswered, RetrievalError
from retrieval.ports import Filter
from retrieval.types import Found, LegReport, LegState, RankedPassage

log = structlog.get_logger(__name__)
T = TypeVar("T")

Planner: TypeAlias = Literal["rules", "model"]

FACTS = 6
"""Facts asked of the graph for one answer."""


class Search(Protocol):
    """`Hybrid.search`, with as many passages as an answer is written from."""

    async def __call__(self, text: str, *, namespace: str, filter: Filter | None) -> Found: ...


class Facts(Protocol):
    """Of `graph.ports.GraphStore`, what is needed here."""

    async def facts(self, passages: Sequence[str], *, limit: int, namespace: str = "") -> list[Fact]: ...


class Records(Protocol):
    """Of `graph.ports.RecordStore`, what is needed here."""

    async def collections(self, *, namespace: str = "") -> Mapping[str, Collection]: ...
    async def query(self, query: RecordQuery, *, namespace: str = "") -> list[Record]: ...


RecordPlan = Callable[[str, Mapping[str, Collection], datetime], Plan]
"""Pure: a question, the known collections and when it was asked to a checked plan; empty: it asks for no records."""


@dataclass(frozen=True, slots=True)
class Retrieved:
    context: Context
    legs: tuple[LegReport, ...]
    looks: tuple[Look, ...] = ()
    """What is to be asked next, in this order."""
    stopped: str = ""
    """Why nothing is asked next; empty where nothing ever was."""
    asked: tuple[str, ...] = ()
    """The queries of the records, in words."""
    planned_by: Planner = "rules"

    @property
    def failed(self) -> bool:
        """Nothing was found and something failed: an answer would claim an absence that was never checked."""
        nothing = not self.context.passages and not self.context.records
        return nothing and any(leg.state is not LegState.OK for leg in self.legs)


@dataclass(frozen=True, slots=True)
class _Planned:
    """A plan and the records of each of its queries."""

    plan: Plan = field(default_factory=Plan)
    found: tuple[tuple[Record, ...], ...] = ()
    by: Planner = "rules"

    @property
    def records(self) -> tuple[Record, ...]:
        """Each once."""
        return tuple({(record.collection, record.id): record for found in self.found for record in found}.values())


class Retriever:
    """`deadline_s` is for all of it; a search that contains late legs by itself needs a shorter one of its own."""

    def __init__(
        self,
        search: Search,
        *,
        facts: Facts | None = None,
        records: Records | None = None,
        plan: RecordPlan | None = None,
        deadline_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._search = search
        self._facts = facts
        self._records = records
        self._plan = plan
        self._deadline_s = deadline_s
        self._clock = clock

    async def collections(self, *, namespace: str = "") -> Mapping[str, Collection]:
        """What records there are to ask for; none when that can't be told in time."""
        if self._records is None:
            return {}
        ends = asyncio.get_running_loop().time() + self._deadline_s
        found, _ = await self._leg("collections", self._records.collections(namespace=namespace), ends)
        return found or {}

    async def retrieve(
        self,
        text: str,
        *,
        asked_at: datetime,
        namespace: str = "",
        filter: Filter | None = None,
        proposed: Sequence[RecordQuery] = (),
    ) -> Retrieved:
        """The first step. The records are asked what the rules make of the text, or else what is proposed."""
        ends = asyncio.get_running_loop().time() + self._deadline_s
        async with asyncio.TaskGroup() as group:
            passages = group.create_task(self._find(text, namespace, filter, ends))
            records = group.create_task(self._query(text, asked_at, namespace, proposed, ends))
        (ranked, facts, legs), (planned, record_legs) = passages.result(), records.result()
        context = Context(ranked, facts, planned.records, notes=notes(planned.plan, planned.found))
        waiting = looks(planned.plan, planned.found)
        stopped = onward((), 0, None, False)[1] if planned.plan and not waiting else ""
        asked = tuple(map(query_text, planned.plan.queries))
        return Retrieved(context, legs + record_legs, waiting, stopped, asked, planned.by)

    async def look(
        self,
        waiting: Sequence[Look],
        done: int,
        known: Context,
        *,
        namespace: str = "",
        filter: Filter | None = None,
    ) -> Retrieved:
        """A further step, the first of those waiting: what it adds to what is known. `done` steps went before it."""
        added, legs = await self._added(waiting[0], known, namespace, filter)
        failed = any(leg.state is not LegState.OK for leg in legs)
        onwards, stopped = onward(waiting[1:], done + 1, added, failed)
        unsaid = left_open(waiting[0], added, waiting[1:], stopped)
        return Retrieved(replace(added, notes=unsaid), legs, onwards, stopped)

    async def _added(
        self, look: Look, known: Context, namespace: str, filter: Filter | None
    ) -> tuple[Context, tuple[LegReport, ...]]:
        ends = asyncio.get_running_loop().time() + self._deadline_s
        if look.query is not None and self._records is not None:
            rows, report = await self._leg("records", self._records.query(look.query, namespace=namespace), ends)
            return new(known, Context(records=tuple(rows or ()))), (report,)
        ranked, facts, legs = await self._find(look.search, namespace, filter, ends)
        return new(known, Context(ranked, facts, looked=(look.search,))), legs

    async def _find(
        self, text: str, namespace: str, filter: Filter | None, ends: float
    ) -> tuple[tuple[RankedPassage, ...], tuple[Fact, ...], tuple[LegReport, ...]]:
        found, report = await self._leg("search", self._searched(text, namespace, filter), ends)
        if found is None:
            return (), (), (report,)
        if self._facts is None or not found.passages:
            return found.passages, (), found.legs
        ids = [ranked.passage.id for ranked in found.passages]
        facts, report = await self._leg("facts", self._facts.facts(ids, limit=FACTS, namespace=namespace), ends)
        return found.passages, tuple(facts or ()), (*found.legs, report)

    async def _searched(self, text: str, namespace: str, filter: Filter | None) -> Found:
        try:
            return await self._search(text, namespace=namespace, filter=filter)
        except NoLegAnswered as error:
            return Found((), error.legs)

    async def _query(
        self, text: str, asked_at: datetime, namespace: str, proposed: Sequence[RecordQuery], ends: float
    ) -> tuple["_Planned", tuple[LegReport, ...]]:
        """No leg is reported for a question that asks for no records."""
        if self._records is None or self._plan is None:
            return _Planned(), ()
        planned, report = await self._leg(
            "records", self._planned(self._records, self._plan, text, asked_at, namespace, proposed), ends
        )
        if planned is None:
            return _Planned(), (report,)
        return planned, (replace(report, hits=len(planned.records)),) if planned.plan else ()

    @staticmethod
    async def _planned(
        records: Records,
        plan: RecordPlan,
        text: str,
        asked_at: datetime,
        namespace: str,
        proposed: Sequence[RecordQuery],
    ) -> "_Planned":
        collections = await records.collections(namespace=namespace)

        async def asked(planned: Plan, by: Planner) -> _Planned:
            rows = [tuple(await records.query(query, namespace=namespace)) for query in planned.queries]
            if planned.maybe:  # what was looked for on suspicion alone and is not there was never asked for
                pairs = [(query, found) for query, found in zip(planned.queries, rows, strict=True) if found]
                planned, rows = Plan(tuple(query for query, _ in pairs)), [found for _, found in pairs]
            return _Planned(planned, tuple(rows), by)

        by_rules = await asked(plan(text, collections, asked_at), "rules")
        return by_rules if by_rules.plan else await asked(checked(proposed, collections), "model")

    async def _leg(self, name: str, work: Awaitable[T], ends: float) -> tuple[T | None, LegReport]:
        """The work's result, or None and why. A bug in one leg must not cost the answer: it is logged and contained."""
        began = self._clock()
        result, state, code = None, LegState.OK, ""
        try:
            async with asyncio.timeout_at(ends):
                result = await work
        except TimeoutError:
            state, code = LegState.LATE, "deadline_exceeded"
        except RetrievalError as error:
            state, code = LegState.FAILED, error.code
        except Exception:
            log.exception("retrieval leg broke", leg=name)
            state, code = LegState.FAILED, "internal"
        return result, LegReport(name, state, (self._clock() - began) * 1000, _hits(result), code)


def _hits(result: object) -> int:
    return len(result) if isinstance(result, Sequence) else 0
