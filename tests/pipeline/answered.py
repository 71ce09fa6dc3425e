"""An answer pipeline over a library of three passages, and its entries as letters."""

import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from chatserver.models.port import Model, ModelPart, ModelRequest, TextPart, Turn
from chatserver.pipeline.answering import AnswerPipeline
from chatserver.pipeline.budget import Budget
from chatserver.pipeline.port import Question
from chatserver.pipeline.retrieve import Retriever
from chatserver.protocol.chunks import Chunk
from graph.planning.plan import Plan, Unknown
from graph.types import Collection, Condition, Record, RecordQuery
from prompts import Prompts
from retrieval.ports import Filter
from retrieval.types import Found, LegReport, LegState, Passage, RankedPassage, Via

PROMPTS = Prompts()
PUMP = Passage(
    "pumps#0", "pumps", "Pumps", "P-101 moves the glycol through the coil. Check the oil level before it starts."
)
VALVE = Passage("valves", "valves", "Valves", "V-12 shuts when P-101 trips.")
LINKED = Via("pumps#0", "Pumps", "shared", "P-101")
WEAR = Passage("wear#0", "wear", "Bearing wear", "A worn bearing of P-101 is replaced after 16,000 hours.")
SNAPSHOT = Record("Snapshot", "w1", {"failure_mode": "bearing_wear", "duty_pump": "P-101"})
RECORD = Record("TelemetryEvent", "e1", {"sensor": "PT-1", "value": 3.5, "ok": True})
SOON_S = 0.5
"""A deadline that what does not stall meets, on a busy machine too."""


class Library:
    """Search, records and passages over two passages and one record; `fault` is raised by each, `gone` is deleted."""

    def __init__(self, fault: Exception | None = None, gone: str = "") -> None:
        self.fault = fault
        self.gone = gone
        self.searched = 0

    async def __call__(self, text: str, *, namespace: str, filter: Filter | None) -> Found:
        self.searched += 1
        if self.fault:
            raise self.fault
        if "bearing wear" in text:
            again = RankedPassage(VALVE, 0.6, ("keyword #2",))
            return Found(
                (again, RankedPassage(WEAR, 0.9, ("keyword #1",))), (LegReport("vector", LegState.OK, 1.0, 2),)
            )
        ranked = (
            RankedPassage(PUMP, 0.9, ("vector #1",)),
            RankedPassage(VALVE, 0.5, ("keyword #1",), {"keyword": 1}, LINKED),
        )
        return Found(ranked, (LegReport("vector", LegState.OK, 1.0, 2),))

    async def collections(self, *, namespace: str = "") -> Mapping[str, Collection]:
        return {}

    async def query(self, query: RecordQuery, *, namespace: str = "") -> list[Record]:
        if query.collection == "Snapshot":
            return [SNAPSHOT]
        return [] if any(condition.operator == ">=" for condition in query.conditions) else [RECORD]

    async def passages(self, ids: Sequence[str], *, namespace: str = "") -> list[Passage]:
        if self.fault:
            raise self.fault
        return [passage for passage in (PUMP, VALVE, WEAR) if passage.id in ids and passage.id != self.gone]


class Echo:
    """Says what it was asked, then cites all it was given: shows what a model sees."""

    name = "echo"

    def __init__(self) -> None:
        self.requests: list[ModelRequest] = []

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelPart, None]:
        self.requests.append(request)
        texts = [ranked.passage.text for ranked in request.context.passages]
        yield TextPart(" ".join(f"{text} [{n}]" for n, text in enumerate(texts, 1)))

    async def aclose(self) -> None:
        """Nothing is held."""


def plan(question: str, known: Mapping[str, Collection], now: datetime) -> Plan:
    """Events for a question that says so; for one of a state a failing snapshot; for one of a week none in it."""
    if "state" in question:
        return Plan((RecordQuery("Snapshot"),))
    week = (Condition("t_start", ">=", "2026-03-02T00:00:00Z"), Condition("sensor", "in", ("PT-1", "PT-2")))
    if "three weeks" in question:
        names = ("TelemetryEvent", "DoorEvent", "PressureEvent")
        return Plan(tuple(RecordQuery(name, (Condition("t_start", ">=", "2026-03-02T00:00:00Z"),)) for name in names))
    if "week" in question:
        return Plan((RecordQuery("TelemetryEvent", week),))
    if "unknown" in question:
        return Plan((), (Unknown("P-9", "TelemetryEvent", "component", ("P-1",)),))
    return Plan((RecordQuery("TelemetryEvent"),)) if "event" in question else Plan()


def question(text: str = "What moves the glycol?", history: tuple[Turn, ...] = ()) -> Question:
    return Question("a1", "c1", "u1", text, datetime(2026, 3, 9, tzinfo=UTC), history=history)


def pipeline(model: Model, library: Library | None = None, timeout_s: float = 10.0) -> AnswerPipeline:
    library = library or Library()
    retriever = Retriever(library, records=library, plan=plan)
    return AnswerPipeline(retriever, model, PROMPTS, library, Budget(1000, 1000, len), timeout_s=timeout_s)


async def tell(pipeline: AnswerPipeline, asked: Question | None = None, told: Sequence[Chunk] = ()) -> list[Chunk]:
    return [chunk async for chunk in pipeline.run(asked or question(), told)]


def text(entries: Sequence[Chunk]) -> str:
    return "".join(chunk["delta"] for chunk in entries if chunk["type"] == "text-delta")


def of(entries: Sequence[Chunk], kind: str) -> Any:
    found = [chunk for chunk in entries if chunk["type"] == kind]
    assert len(found) == 1, f"{kind}: {found}"
    return found[0]


_LETTERS = {
    "start": "S", "start-step": "(", "finish-step": ")", "reset-step": "R", "text-start": "<", "text-delta": "t",
    "text-end": ">", "finish": "F", "error": "E", "source-document": "d",
}  # fmt: skip
GRAMMAR = re.compile(r"S(\(d+\))+\(d*(<(t|d)+>)?d+\)[FE]")


def letters(entries: Sequence[Chunk]) -> str:
    return "".join("d" if chunk["type"].startswith("data-") else _LETTERS[chunk["type"]] for chunk in entries)
