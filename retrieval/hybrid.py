"""Hybrid retrieval: named legs side by side under one deadline, fused, expanded by one hop, read.

A leg that fails or is late costs its hits and nothing else: what it was is in its report, and the rest goes on.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from retrieval import filters, fusion
from retrieval.embedders.checks import check_texts
from retrieval.errors import NoLegAnswered, RetrievalError, Temporary
from retrieval.ports import DocumentStore, Expand, Leg
from retrieval.types import Found, Hit, LegReport, LegState, Passage, Query, RankedPassage

EXPANSION = "expansion"

_LEGS_SHARE = 0.8  # of the deadline: what a late leg leaves to the expansion
_PAGE = 10  # candidates read beyond those wanted: a vector may outlive its document for a moment

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Outcome:
    report: LegReport
    hits: Sequence[Hit] = ()


class Hybrid:
    """`legs` by name, those of `fusion.LEGS`; `expand` one hop over the graph (None: no expansion); `deadline_s` for
    legs and expansion together, and once more for reading the passages. Raises ValueError for an unknown leg."""

    def __init__(
        self,
        documents: DocumentStore,
        legs: Mapping[str, Leg],
        *,
        expand: Expand | None = None,
        deadline_s: float = 5.0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if unknown := legs.keys() - fusion.LEGS:
            raise ValueError(f"unknown legs {sorted(unknown)}")
        self._documents = documents
        self._legs = dict(legs)
        self._expand = expand
        self._deadline_s = deadline_s
        self._clock = clock

    async def search(self, query: Query) -> Found:
        """The best passages for a question. Raises `InvalidText` and `InvalidFilter` before anything runs,
        `NoLegAnswered` when every leg failed, and `Temporary` when the passages can't be read."""
        check_texts([query.text])
        filters.parse(query.filter or {})
        deadline = asyncio.get_running_loop().time() + self._deadline_s
        outcomes = await self._run_legs(query, deadline - (1 - _LEGS_SHARE) * self._deadline_s)
        found = {name: outcome.hits for name, outcome in outcomes.items()}
        reports = [outcome.report for outcome in outcomes.values()]
        if all(report.state is not LegState.OK for report in reports):
            raise NoLegAnswered(reports)
        scores = fusion.base_scores(found)
        if self._expand is not None and scores:
            links, report = await self._run_expansion(self._expand, query, fusion.seeds(scores), deadline)
            reports.append(report)
            scores = fusion.expanded(scores, links)
            found[EXPANSION] = [hit for hits in links.values() for hit in hits]
        # A trained ranker takes the place of this order: it will see the pool, its scores and its links.
        return Found(await self._read(query, scores, found), tuple(reports))

    async def _run_legs(self, query: Query, until: float) -> dict[str, _Outcome]:
        async with asyncio.TaskGroup() as group:
            tasks = {
                name: group.create_task(self._contain(name, leg(query), until)) for name, leg in self._legs.items()
            }
        return {name: task.result() for name, task in tasks.items()}

    async def _run_expansion(
        self, expand: Expand, query: Query, seeds: Sequence[str], until: float
    ) -> tuple[dict[str, Sequence[Hit]], LegReport]:
        links: dict[str, Sequence[Hit]] = {}

        async def follow(seed: str) -> None:
            links[seed] = await expand(query, seed)

        async def follow_all() -> Sequence[Hit]:
            async with asyncio.TaskGroup() as group:
                for seed in seeds:
                    group.create_task(follow(seed))
            return [hit for hits in links.values() for hit in hits]

        outcome = await self._contain(EXPANSION, follow_all(), until)
        return links, outcome.report

    async def _contain(self, name: str, work: Awaitable[Sequence[Hit]], until: float) -> _Outcome:
        """Awaits a leg; its failure becomes its report. Cancellation passes."""
        started = self._clock()

        def report(state: LegState, hits: int = 0, code: str = "") -> LegReport:
            return LegReport(name, state, (self._clock() - started) * 1_000, hits, code)

        try:
            async with asyncio.timeout_at(until):
                hits = await work
        except TimeoutError:
            return _Outcome(report(LegState.LATE, code="deadline_exceeded"))
        except Exception as error:
            _log.warning("retrieval leg %s failed", name, exc_info=error)
            return _Outcome(report(LegState.FAILED, code=_code(error)))
        return _Outcome(report(LegState.OK, len(hits)), hits)

    async def _read(
        self, query: Query, scores: fusion.Scores, found: Mapping[str, Sequence[Hit]]
    ) -> tuple[RankedPassage, ...]:
        condition = filters.parse(query.filter or {})  # expansion follows links whatever the filter
        candidates = fusion.ranked(scores)
        kept: list[Passage] = []
        try:
            async with asyncio.timeout(self._deadline_s):
                while candidates and len(kept) < query.top_k:
                    page, candidates = candidates[: _PAGE + query.top_k], candidates[_PAGE + query.top_k :]
                    passages = await self._documents.passages(page, namespace=query.namespace)
                    kept += [passage for passage in passages if filters.matches(condition, passage.metadata)]
        except TimeoutError as error:
            raise Temporary("reading the passages took too long") from error
        best = kept[: max(0, query.top_k)]
        return tuple(RankedPassage(passage, scores[passage.id], _reasons(passage.id, found)) for passage in best)


def _reasons(passage: str, found: Mapping[str, Sequence[Hit]]) -> tuple[str, ...]:
    """`vector #3`, `graph #1: mentions «Pump P-101»`, one for each leg that found the passage."""
    reasons = []
    for leg, hits in found.items():
        rank, hit = next(((rank, hit) for rank, hit in enumerate(hits, 1) if hit.passage == passage), (0, None))
        if hit is not None:
            place = leg if leg == EXPANSION else f"{leg} #{rank}"
            reasons.append(f"{place}: {hit.why}" if hit.why else place)
    return tuple(reasons)


def _code(error: BaseException) -> str:
    """The stable code of a failure, of the first one when several tasks failed; never an exception's words."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error.code if isinstance(error, RetrievalError) else "internal_error"
