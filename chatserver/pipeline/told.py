"""What the first step of an answer tells, and how it is read back by a process that takes the answer over. Pure.

data-decision   {kind, reason, language, query}
data-retrieval  {legs: [{leg, state, ms, hits, code?}],
                 passages: [{id, n, title, score, why: [text, …], ranks: {leg: rank},
                             via?: {source, title, kind, name}}],
                 facts: [{subject, relation, object, source}]}
source-document sourceId = the passage's id, or `record:Collection/id`; in the order of the numbers n
data-records    [{collection, id, fields}], numbered on after the passages; only when there are some
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypeVar

from chatserver.models.composition import record_text
from chatserver.models.port import Context
from chatserver.pipeline.citations import Source
from chatserver.pipeline.decide import Decision
from chatserver.pipeline.retrieve import Retrieved
from chatserver.protocol import chunks
from chatserver.protocol.chunks import Chunk
from graph.types import Fact, Record
from retrieval.types import LegReport, LegState, Passage, RankedPassage, Via

RECORD_TYPE = "application/json"

Made = TypeVar("Made", Decision, Fact, Record, LegReport, Via)


@dataclass(frozen=True, slots=True)
class Told:
    """The finished first step of an earlier owner; passages are without text, which is loaded by id."""

    decision: Decision
    context: Context
    failed: bool
    """See `Retrieved.failed`; also of a retrieval that was never told."""


def finished_steps(told: Sequence[Chunk]) -> list[list[Chunk]]:
    """The entries between each `start-step` and its `finish-step`."""
    steps: list[list[Chunk]] = []
    opened: list[Chunk] = []
    for chunk in told:
        match chunk["type"]:
            case "start-step" | "reset-step":
                opened = []
            case "finish-step":
                steps.append(opened)
            case _:
                opened.append(chunk)
    return steps


def decision_chunk(decision: Decision) -> Chunk:
    return chunks.data("decision", asdict(decision))


def retrieval_chunks(retrieved: Retrieved) -> list[Chunk]:
    context = retrieved.context
    told = [
        chunks.data(
            "retrieval",
            {
                "legs": [_leg(report) for report in retrieved.legs],
                "passages": [_passage(n, ranked) for n, ranked in enumerate(context.passages, 1)],
                "facts": [asdict(fact) for fact in context.facts],
            },
        )
    ]
    told += [chunks.source_document(ranked.passage.id, ranked.passage.title) for ranked in context.passages]
    told += [
        chunks.source_document(record_id(record), _record_title(record), RECORD_TYPE) for record in context.records
    ]
    if context.records:
        told.append(chunks.data("records", [_record(record) for record in context.records]))
    return told


def record_id(record: Record) -> str:
    return f"record:{record.collection}/{record.id}"


def sources(context: Context) -> list[Source]:
    """What `[1]`, `[2]`, … point to."""
    passages = [Source(found.passage.id, found.passage.text, found.passage.title) for found in context.passages]
    return passages + [
        Source(record_id(record), record_text(record), _record_title(record), RECORD_TYPE) for record in context.records
    ]


def outcome(step: Iterable[Chunk]) -> str:
    """How a finished second step ended."""
    return next(str(chunk["data"]["outcome"]) for chunk in step if chunk["type"] == "data-timing")


def read(step: Iterable[Chunk]) -> Told:
    """A finished first step."""
    payloads: dict[str, Any] = {chunk["type"]: chunk["data"] for chunk in step if chunk["type"].startswith("data-")}
    decision = payloads["data-decision"]
    retrieval = payloads.get("data-retrieval", {"legs": (), "passages": (), "facts": ()})
    context = Context(
        tuple(_ranked(told) for told in retrieval["passages"]),
        tuple(_known(Fact, fact) for fact in retrieval["facts"]),
        tuple(_known(Record, record) for record in payloads.get("data-records", ())),
    )
    legs = tuple(_known(LegReport, {**leg, "state": LegState(leg["state"])}) for leg in retrieval["legs"])
    never_told = decision["kind"] == "retrieve" and "data-retrieval" not in payloads
    return Told(_known(Decision, decision), context, never_told or Retrieved(context, legs).failed)


def reloaded(context: Context, passages: Sequence[Passage]) -> Context:
    """The told context with its texts. A passage that is gone keeps its number and title, and has no text."""
    found = {passage.id: passage for passage in passages}
    ranked = tuple(replace(told, passage=found.get(told.passage.id, told.passage)) for told in context.passages)
    return Context(ranked, context.facts, context.records)


def _record_title(record: Record) -> str:
    return f"{record.collection} {record.id}"


def _leg(report: LegReport) -> dict[str, Any]:
    told = {"leg": report.leg, "state": str(report.state), "ms": round(report.ms, 1), "hits": report.hits}
    return told | ({"code": report.code} if report.code else {})


def _passage(n: int, ranked: RankedPassage) -> dict[str, Any]:
    told = {
        "id": ranked.passage.id,
        "n": n,
        "title": ranked.passage.title,
        "score": round(ranked.score, 4),
        "why": list(ranked.why),
        "ranks": dict(ranked.ranks),
    }
    return told | ({"via": asdict(ranked.via)} if ranked.via else {})


def _ranked(told: dict[str, Any]) -> RankedPassage:
    passage = Passage(told["id"], told["id"], told["title"], "")
    way = told.get("via")
    return RankedPassage(
        passage, told["score"], tuple(told["why"]), told.get("ranks", {}), None if way is None else _known(Via, way)
    )


def _known(kind: type[Made], told: Mapping[str, Any]) -> Made:
    """What this version knows of it: the process that told it may have been a newer one, which says more."""
    names = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in told.items() if name in names})


def _record(record: Record) -> dict[str, Any]:
    return {"collection": record.collection, "id": record.id, "fields": dict(record.fields)}
