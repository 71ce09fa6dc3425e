"""Hybrid retrieval: named legs side by side under one deadline, fused, expanded by one hop, read, ranked.

A leg that fails or is late costs its hits and nothing else: what it was is in its report, and the rest goes on.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias, TypeVar

from retrieval import filters, fusion, pool
from retrieval.embedders.checks import check_texts
from retrieval.errors import NoLegAnswered, RetrievalError, Temporary
from retrieval.ports import CountWords, DocumentStore, Leg, Links
from retrieval.ranker import Ranker
from retrieval.reasons import EXPANSION, best_links, ranks, reasons, via
from retrieval.scale import REFERENCE, AskScale, CosineScale
from retrieval.types import Found, Frequencies, Hit, LegReport, LegState, Link, Passage, Query, RankedPassage

T = TypeVar("T")
Scores: TypeAlias = fusion.Scores

_LEGS_SHARE = 0.8  # of the deadline: what a late leg leaves to the expansion
_PAGE = 10  # candidates read beyond those wanted: a vector may outlive its document for a moment

_log = logging.getLogger(__name__)


class Hybrid:
    """`legs` by name, those of `fusion.LEGS`; `links` for one hop over the graph (None: no expansion); `ranker` for
    the order of the best (None: by expanded score), with `count_words` for the weight of the question's words (None:
    they weigh the same).
    `scale` tells what the embedder's cosines say.
    `deadline_s` for legs and expansion together, and once more for reading the passages.
    Raises ValueError for an unknown leg."""

    def __init__(
        self,
        documents: DocumentStore,
        legs: Mapping[str, Leg],
        *,
        links: Links | None = None,
        ranker: Ranker | None = None,
        count_words: CountWords | None = None,
        scale: CosineScale | AskScale = REFERENCE,
        deadline_s: float = 5.0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if unknown := legs.keys() - fusion.LEGS:
            raise ValueError(f"unknown legs {sorted(unknown)}")
        self._documents = documents
        self._legs = dict(legs)
        self._links = links
        self._ranker = ranker
        self._count_words = count_words
        self._scale = scale
        self._deadline_s = deadline_s
        self._clock = clock

    async def search(self, query: Query) -> Found:
        """The best passages for a question. Raises `InvalidText` and `InvalidFilter` before anything runs,
        `NoLegAnswered` when every leg failed, and `Temporary` when the passages can't be read."""
        check_texts([query.text])
        filters.parse(query.filter or {})
        deadline = asyncio.get_running_loop().time() + self._deadline_s
        legs, reports, counted, scale = await self._ask(query, deadline - (1 - _LEGS_SHARE) * self._deadline_s)
        if all(report.state is not LegState.OK for report in reports):
            raise NoLegAnswered(reports)
        base = fusion.base_scores(legs, scale)
        links: Sequence[Link] = ()
        if self._links is not None and base:
            following = self._links(query, fusion.ranked(base)[: pool.SOURCES])
            found, report = await self._contain(EXPANSION, following, deadline)
            links = found or ()
            reports.append(report)
        try:
            async with asyncio.timeout(self._deadline_s):
                return Found(await self._best(query, legs, base, links, counted), tuple(reports))
        except TimeoutError as error:
            raise Temporary("reading the passages took too long") from error

    async def _ask(
        self, query: Query, until: float
    ) -> tuple[dict[str, Sequence[Hit]], list[LegReport], Frequencies, CosineScale]:
        """The legs' hits and reports, how common the question's words are, and what cosines say."""
        async with asyncio.TaskGroup() as group:
            counting = group.create_task(self._counted(query, until))
            scaling = group.create_task(self._scaled(until))
            tasks = {
                name: group.create_task(self._contain(name, leg(query), until)) for name, leg in self._legs.items()
            }
        ended = {name: task.result() for name, task in tasks.items()}
        hits = {name: found or () for name, (found, _) in ended.items()}
        return hits, [report for _, report in ended.values()], counting.result(), scaling.result()

    async def _scaled(self, until: float) -> CosineScale:
        if isinstance(self._scale, CosineScale):
            return self._scale
        told, _ = await self._contain("scale", self._scale(), until)
        return told or REFERENCE

    async def _counted(self, query: Query, until: float) -> Frequencies:
        nothing = pool.uncounted(query.text)
        if self._count_words is None or self._ranker is None:
            return nothing
        counted, _ = await self._contain("words", self._count_words(query), until)
        return counted or nothing

    async def _contain(self, name: str, work: Awaitable[T], until: float) -> tuple[T | None, LegReport]:
        """Awaits a leg; its failure becomes its report. Cancellation passes."""
        started = self._clock()
        result, state, code = None, LegState.OK, ""
        try:
            async with asyncio.timeout_at(until):
                result = await work
        except TimeoutError:
            state, code = LegState.LATE, "deadline_exceeded"
        except Exception as error:
            _log.warning("retrieval leg %s failed", name, exc_info=error)
            state, code = LegState.FAILED, _code(error)
        hits = len(result) if isinstance(result, Sequence) else 0
        return result, LegReport(name, state, (self._clock() - started) * 1_000, hits, code)

    async def _best(
        self,
        query: Query,
        legs: Mapping[str, Sequence[Hit]],
        base: Scores,
        links: Sequence[Link],
        counted: Frequencies,
    ) -> tuple[RankedPassage, ...]:
        scores = pool.candidates(base, links)
        order = fusion.ranked(scores)
        chosen = await self._read(query, order[: pool.SIZE])
        if self._ranker is not None:
            ranked = self._ranker.rank(pool.pool(query.text, counted, chosen, legs, base, scores, links))
            ranked = _begun(ranked, chosen, links)
            by_id = {passage.id: passage for passage in chosen}
            chosen, scores = (
                [by_id[id] for id in _placed(list(ranked), legs, links)],
                dict.fromkeys(order, 0.0) | ranked,
            )
        titles = {passage.id: passage.title for passage in chosen}
        kept = await self._filled(query, chosen, order[pool.SIZE :])
        leading = best_links(links, base, titles, {passage.id for passage in kept})
        return tuple(_explained(passage, scores[passage.id], legs, leading.get(passage.id), titles) for passage in kept)

    async def _filled(self, query: Query, chosen: Sequence[Passage], others: Sequence[str]) -> list[Passage]:
        """As many as the query wants, from the others when the chosen do not suffice."""
        kept = list(chosen)
        while others and len(kept) < query.top_k:
            page, others = others[: _PAGE + query.top_k], others[_PAGE + query.top_k :]
            kept += await self._read(query, page)
        return kept[: max(0, query.top_k)]

    async def _read(self, query: Query, ids: Sequence[str]) -> list[Passage]:
        condition = filters.parse(query.filter or {})  # links lead on whatever the filter
        passages = await self._documents.passages(ids, namespace=query.namespace)
        return [passage for passage in passages if filters.matches(condition, passage.metadata)]


def _explained(
    passage: Passage, score: float, legs: Mapping[str, Sequence[Hit]], link: Link | None, titles: Mapping[str, str]
) -> RankedPassage:
    why = reasons(passage.id, legs, link, titles)
    return RankedPassage(passage, score, why, ranks(passage.id, legs), via(link, titles))


def _begun(ranked: Scores, chosen: Sequence[Passage], links: Sequence[Link]) -> Scores:
    """As `pool.begun` puts it; two that change places change their shares too. The first of `chosen` is the best."""
    best = chosen[0].id if chosen else ""
    order = pool.begun(list(ranked), best, {link.target for link in links if link.source == best})
    return dict(zip(order, ranked.values(), strict=True))


def _placed(order: Sequence[str], legs: Mapping[str, Sequence[Hit]], links: Sequence[Link]) -> list[str]:
    return pool.assured(pool.together(order, legs, links), legs)


def _code(error: BaseException) -> str:
    """The stable code of a failure; never an exception's words."""
    return error.code if isinstance(error, RetrievalError) else "internal"
