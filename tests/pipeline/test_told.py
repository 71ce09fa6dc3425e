"""Reading back what another process has told, be it of this version, of an older or of a newer one."""

from dataclasses import replace
from typing import Any

from chatserver.models.port import Context
from chatserver.pipeline import told
from chatserver.pipeline.decide import Decision
from chatserver.pipeline.retrieve import Retrieved
from chatserver.pipeline.told import Told
from chatserver.protocol.chunks import Chunk
from graph.types import Fact, Record
from retrieval.types import LegReport, LegState, Passage, RankedPassage, Via

DECISION = Decision("retrieve", "asks for facts", "en", "What drives the pump?")
PASSAGE = RankedPassage(
    Passage("p1", "p1", "Pump", ""), 0.5, ("word",), {"keyword": 1}, Via("p0", "Unit", "title", "Pump")
)
CONTEXT = Context((PASSAGE,), (Fact("Pump", "part of", "Unit", "p1"),), (Record("Event", "e1", {"t": 1}),))
LEGS = (LegReport("keyword", LegState.OK, 1.0, 1), LegReport("vector", LegState.LATE, 2.0, 0, "timeout"))


def step() -> list[Chunk]:
    return [told.decision_chunk(DECISION), *told.retrieval_chunks(Retrieved(CONTEXT, LEGS))]


def with_more(value: Any) -> Any:
    """The same, and every object says something more."""
    if isinstance(value, dict):
        return {name: with_more(inner) for name, inner in value.items()} | {"newer": 1}
    return [with_more(inner) for inner in value] if isinstance(value, list) else value


def test_what_was_told_is_read_back() -> None:
    """The whole of it."""
    assert told.read([step()]) == Told(DECISION, CONTEXT, failed=False)


def test_what_a_newer_version_says_more_is_left_out() -> None:
    """Two versions work side by side while an update rolls: the older one may take an answer of the newer one over."""
    read = told.read([[with_more(chunk) for chunk in step()]])
    assert read.decision == DECISION
    assert [replace(ranked, ranks=PASSAGE.ranks) for ranked in read.context.passages] == [PASSAGE]
    assert read.context.facts == CONTEXT.facts


def test_what_an_older_version_did_not_say_is_not_missed() -> None:
    """Neither the question that a follow-up stood for, nor the places and links of passages."""
    decision, retrieval, *rest = step()
    del decision["data"]["query"]
    for passage in retrieval["data"]["passages"]:
        del passage["ranks"], passage["via"]
    read = told.read([[decision, retrieval, *rest]])
    assert read.decision == Decision("retrieve", "asks for facts", "en")
    assert [ranked.passage for ranked in read.context.passages] == [PASSAGE.passage]
