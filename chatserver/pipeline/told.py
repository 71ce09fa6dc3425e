"""What the finding steps of an answer tell, and how they are read back by a process that takes it over. Pure.

data-decision   {kind, reason, language, query}
data-retrieval  {legs: [{leg, state, ms, hits, code?}],
                 passages: [{id, n, title, score, why: [text, …], ranks: {leg: rank},
                             via?: {source, title, kind, name}}],
                 facts: [{subject, relation, object, source}],
                 asked?: [text, …], planned_by?, notes?: [{code, name, of, nearest}], looked?: [text, …],
                 next?: [{reason, search, query}], stopped?: reason}
source-document sourceId = the passage's id, or `record:Collection/id`; in the order of the numbers n
data-records    [{collection, id, fields}], numbered on after the step's passages; only when there are some

Each further step (`chatserver.pipeline.looking`) tells a `data-retrieval` of what it adds, numbered on. `next` is what
the steps after it are to ask, `stopped` why there are none.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, TypeVar

from chatserver.models.composition import record_text
from chatserver.models.port import Context
from chatserver.pipeline.citations import Source
from chatserver.pipeline.decide import Decision
from chatserver.pipeline.looking import Look
from chatserver.pipeline.retrieve import Retrieved
from chatserver.protocol import chunks
from chatserver.protocol.chunks import Chunk
from graph.types import Condition, Fact, Note, Record, RecordQuery
from retrieval.types import LegReport, LegState, Passage, RankedPassage, Via

RECORD_TYPE = "application/json"

Made = TypeVar("Made", Decision, Fact, Record, LegReport, Via, Note)

_NO_RETRIEVAL: Mapping[str, Any] = {"legs": (), "passages": (), "facts": ()}


@dataclass(frozen=True, slots=True)
class Told:
    """The finished finding steps of an earlier owner; passages are without text, which is loaded by id."""

    decision: Decision
    context: Context
    failed: bool
    """See `Retrieved.failed`; also of a retrieval that was never told."""
    looks: tuple[Look, ...] = ()
    """What is still to be asked."""


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


def retrieval_chunks(retrieved: Retrieved, before: int = 0) -> list[Chunk]:
    """What a step found, numbered on after the sources that were told before."""
    context = retrieved.context
    told = [
        chunks.data(
            "retrieval",
            {
                "legs": [_leg(report) for report in retrieved.legs],
                "passages": [_passage(n, ranked) for n, ranked in enumerate(context.passages, before + 1)],
                "facts": [asdict(fact) for fact in context.facts],
                **_onward(retrieved),
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
    found = [Source(found.passage.id, found.passage.text, found.passage.title) for found in context.passages]
    found += [
        Source(record_id(record), record_text(record), _record_title(record), RECORD_TYPE) for record in context.records
    ]
    numbered = zip((*context.passage_numbers, *context.record_numbers), found, strict=True)
    return [source for _, source in sorted(numbered, key=lambda pair: pair[0])]


def is_finding(step: Iterable[Chunk]) -> bool:
    """Not the step that tells the text, which ends with `data-timing`."""
    return all(chunk["type"] != "data-timing" for chunk in step)


def outcome(step: Iterable[Chunk]) -> str:
    """How the finished step with the text ended."""
    return next(str(chunk["data"]["outcome"]) for chunk in step if chunk["type"] == "data-timing")


def read(steps: Sequence[Iterable[Chunk]]) -> Told:
    """The finished finding steps, at least the first."""
    first, *further = [_payloads(step) for step in steps]
    decision = first["data-decision"]
    retrieval = first.get("data-retrieval", _NO_RETRIEVAL)
    context = _context(first)
    legs = tuple(_known(LegReport, {**leg, "state": LegState(leg["state"])}) for leg in retrieval["legs"])
    never_told = decision["kind"] == "retrieve" and "data-retrieval" not in first
    failed = never_told or Retrieved(context, legs).failed
    for step in further:
        context = context.extended(_context(step))
    last = (further or [first])[-1].get("data-retrieval", _NO_RETRIEVAL)
    return Told(_known(Decision, decision), context, failed, tuple(_look(look) for look in last.get("next", ())))


def _payloads(step: Iterable[Chunk]) -> dict[str, Any]:
    return {chunk["type"]: chunk["data"] for chunk in step if chunk["type"].startswith("data-")}


def _context(payloads: Mapping[str, Any]) -> Context:
    retrieval = payloads.get("data-retrieval", _NO_RETRIEVAL)
    return Context(
        tuple(_ranked(told) for told in retrieval["passages"]),
        tuple(_known(Fact, fact) for fact in retrieval["facts"]),
        tuple(_known(Record, record) for record in payloads.get("data-records", ())),
        notes=tuple(_known(Note, {**note, "nearest": tuple(note["nearest"])}) for note in retrieval.get("notes", ())),
        looked=tuple(retrieval.get("looked", ())),
    )


def _look(told: Mapping[str, Any]) -> Look:
    query = told.get("query")
    return Look(told["reason"], told.get("search", ""), None if query is None else _query(query))


def _query(told: Mapping[str, Any]) -> RecordQuery:
    """What is asked again is for records, not for totals."""
    conditions = tuple(
        Condition(one["field"], one["operator"], tuple(one["value"]) if one["operator"] == "in" else one["value"])
        for one in told["conditions"]
    )
    return RecordQuery(told["collection"], conditions, told["sort"], told["descending"], told["limit"])


def _onward(retrieved: Retrieved) -> dict[str, Any]:
    """Only what there is: most answers take one step and note nothing."""
    told: dict[str, Any] = {
        "asked": list(retrieved.asked),
        "planned_by": retrieved.planned_by if retrieved.asked else "",
        "notes": [{**asdict(note), "nearest": list(note.nearest)} for note in retrieved.context.notes],
        "looked": list(retrieved.context.looked),
        "next": [asdict(look) for look in retrieved.looks],
        "stopped": retrieved.stopped,
    }
    return {name: value for name, value in told.items() if value}


def reloaded(context: Context, passages: Sequence[Passage]) -> Context:
    """The told context with its texts. A passage that is gone keeps its number and title, and has no text."""
    found = {passage.id: passage for passage in passages}
    ranked = tuple(replace(told, passage=found.get(told.passage.id, told.passage)) for told in context.passages)
    return replace(context, passages=ranked)


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
