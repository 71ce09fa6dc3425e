"""An answer from its question to its end: every step an entry, whatever the model and the sources do."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatserver.models.port import ModelPart, ModelRequest, NoticePart, TextPart, Turn, UsagePart
from chatserver.models.scripted import Delay, Fault, ScriptedModel, Stall, Step
from chatserver.protocol import chunks
from retrieval.errors import RetrievalError, Temporary
from retrieval.ports import Filter
from retrieval.types import Found
from tests.pipeline.answered import (
    GRAMMAR,
    PROMPTS,
    SOON_S,
    Echo,
    Library,
    letters,
    of,
    pipeline,
    question,
    tell,
    text,
)


async def test_an_answer_shows_each_of_its_steps() -> None:
    """Decision, retrieval, sources, text with citations, timing: in this order, each an entry."""
    model = ScriptedModel([TextPart("P-101 moves it [1]"), TextPart(". Not so [7]."), UsagePart(10, 5)])
    entries = await tell(pipeline(model))
    assert [chunk["type"] for chunk in entries] == [
        "start",
        "start-step",
        "data-decision",
        "data-retrieval",
        "source-document",
        "source-document",
        "finish-step",
        "start-step",
        "text-start",
        "text-delta",
        "text-delta",
        "text-end",
        "data-grounding",
        "data-timing",
        "finish-step",
        "finish",
    ]
    assert text(entries) == "P-101 moves it [1]. Not so."
    assert of(entries, "text-end")["citations"] == [
        chunks.citation("pumps#0", "Pumps", 0, 14, "P-101 moves the glycol through the coil.")
    ]
    assert of(entries, "data-grounding")["data"] == {
        "share": 0.5,
        "statements": 2,
        "supported": 1,
        "by": "words",
        "unsupported": [{"start": 20, "end": 27}],
    }
    assert of(entries, "data-decision")["data"]["kind"] == "retrieve"
    assert of(entries, "data-retrieval")["data"]["passages"][1] == {
        "id": "valves",
        "n": 2,
        "title": "Valves",
        "score": 0.5,
        "why": ["keyword #1"],
        "ranks": {"keyword": 1},
        "via": {"source": "pumps#0", "title": "Pumps", "kind": "shared", "name": "P-101"},
    }
    timing = of(entries, "data-timing")["data"]
    assert timing["usage"] == {"input_tokens": 10, "output_tokens": 5}
    assert timing["prompt"] == PROMPTS.version("answer.system", "answer.user")
    assert (timing["model"], timing["outcome"], timing["dropped_marks"]) == ("scripted", "completed", 1)
    assert {"decide_ms", "retrieve_ms", "first_text_ms", "total_ms"} <= timing.keys()


async def test_a_text_that_was_stopped_is_cited_from_what_was_told() -> None:
    """The told steps alone say what its marks stand for; the passages' words are loaded again for the quotes."""
    told = (await tell(pipeline(ScriptedModel([TextPart("x")]))))[:9]
    assert [chunk["type"] for chunk in told][-2:] == ["start-step", "text-start"]
    cited = await pipeline(Echo()).citations(question(), told, "So P-101 moves it [1]. And th")
    assert cited == [chunks.citation("pumps#0", "Pumps", 0, 17, "P-101 moves the glycol through the coil.")]
    assert await pipeline(Echo()).citations(question(), told[:2], "Hal") == ()


async def test_records_are_sources_after_the_passages() -> None:
    """A record is told, numbered on after the passages, and cited in its own words."""
    entries = await tell(pipeline(ScriptedModel([TextPart("PT-1 read 3.5 [3].")])), question("the newest event"))
    assert of(entries, "data-records")["data"] == [
        {"collection": "TelemetryEvent", "id": "e1", "fields": {"sensor": "PT-1", "value": 3.5, "ok": True}}
    ]
    (cited,) = of(entries, "text-end")["citations"]
    assert cited["source"]["id"] == "record:TelemetryEvent/e1"
    assert cited["source"]["mediaType"] == "application/json"
    assert "value: 3.5" in cited["citedText"]


async def test_small_talk_is_answered_without_a_search() -> None:
    """A greeting gets text and touches neither the sources nor the model."""
    library, model = Library(), Echo()
    entries = await tell(pipeline(model, library), question("Hallo!"))
    assert letters(entries) == "S(d)(<t>d)F"
    assert text(entries).startswith("Hallo!")
    assert (library.searched, model.requests) == (0, [])


async def test_the_model_sees_the_chat() -> None:
    """Earlier turns stand before the question, the sources with it."""
    model = Echo()
    await tell(pipeline(model), question("And V-12?", history=(Turn("What is P-101?", "A pump."),)))
    roles = [(message.role, message.content) for message in model.requests[0].messages]
    assert [role for role, _ in roles] == ["system", "user", "assistant", "user"]
    assert roles[1][1] == "What is P-101?"
    assert "[2] Valves" in roles[3][1]


@pytest.mark.parametrize("failure", ["refused", "broken", "rate_limited"])
async def test_a_models_failure_keeps_what_it_said(failure: Any) -> None:
    """The open text is closed with its citations, and the answer ends in an error with a code and plain words."""
    model = ScriptedModel([TextPart("P-101 moves it [1]. And"), Fault(failure)])
    entries = await tell(pipeline(model))
    assert letters(entries).endswith("(<t>dd)E")
    assert len(of(entries, "text-end")["citations"]) == 1
    error = of(entries, "error")
    assert error["code"] == Fault(failure).error().code == of(entries, "data-timing")["data"]["outcome"]
    assert "scripted" not in error["errorText"]


async def test_a_models_bug_is_an_error_without_its_words() -> None:
    """An unexpected exception out of a model is told as internal, its text to nobody."""

    class Broken(Echo):
        async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelPart, None]:
            yield TextPart("so far")
            raise RuntimeError("password=secret")

    entries = await tell(pipeline(Broken()))
    assert (text(entries), of(entries, "error")["code"]) == ("so far", "internal")
    assert "secret" not in json.dumps(entries)


async def test_a_model_that_says_nothing_is_an_error() -> None:
    """No text is no answer."""
    assert of(await tell(pipeline(ScriptedModel([UsagePart(1, 0)]))), "error")["code"] == "model_empty"


async def test_an_answer_that_takes_too_long_ends_with_what_it_has() -> None:
    """At the deadline the model is cancelled and the partial text stays."""
    entries = await tell(pipeline(ScriptedModel([TextPart("so far"), Stall()]), timeout_s=SOON_S))
    assert text(entries) == "so far"
    assert of(entries, "error")["code"] == "answer_timeout"


async def test_a_retrieval_that_takes_too_long_ends_the_answer() -> None:
    """The deadline covers the retrieval too."""

    class Stalled(Library):
        async def __call__(self, text: str, *, namespace: str, filter: Filter | None) -> Found:
            await asyncio.Event().wait()
            raise AssertionError

    entries = await tell(pipeline(Echo(), Stalled(), timeout_s=SOON_S))
    assert (letters(entries), of(entries, "error")["code"]) == ("S(d)(d)E", "answer_timeout")


async def test_nothing_retrieved_for_a_failure_is_told() -> None:
    """When the sources could not be searched, no model is asked to answer from nothing."""
    model = Echo()
    entries = await tell(pipeline(model, Library(Temporary("pinecone said 503"))))
    assert of(entries, "error")["code"] == "retrieval_failed"
    assert of(entries, "data-retrieval")["data"]["legs"][0]["state"] == "failed"
    assert model.requests == []
    assert "503" not in json.dumps(entries)


async def test_stopping_closes_the_model() -> None:
    """Cancelling who iterates ends the model's stream."""
    waiting, closed = asyncio.Event(), asyncio.Event()

    class Slow(Echo):
        async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelPart, None]:
            try:
                yield TextPart("so far")
                waiting.set()
                await asyncio.Event().wait()
            finally:
                closed.set()

    task = asyncio.create_task(tell(pipeline(Slow())))
    await waiting.wait()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert closed.is_set()


STEPS = st.one_of(
    st.text(st.sampled_from("ab [12]."), min_size=1, max_size=6).map(TextPart),
    st.just(NoticePart("odd", "An odd thing.")),
    st.just(UsagePart(1, 1)),
    st.just(Delay(0.0)),
    st.sampled_from([Fault("refused"), Fault("broken"), Stall()]),
)


@given(
    steps=st.lists(STEPS, max_size=6),
    asked=st.sampled_from(["What moves the glycol?", "hello", "the newest event", "", "[1]"]),
    fault=st.sampled_from([None, RetrievalError("down"), ValueError("a bug")]),
)
def test_any_behaviour_gives_a_well_formed_answer(steps: list[Step], asked: str, fault: Exception | None) -> None:
    """Whatever model and sources do: start, finished steps, closed text, and exactly one terminal entry, last."""
    entries = asyncio.run(tell(pipeline(ScriptedModel(steps), Library(fault), timeout_s=0.01), question(asked)))
    assert GRAMMAR.fullmatch(letters(entries)), letters(entries)


async def test_a_follow_up_is_searched_for_as_what_it_stands_for() -> None:
    """The decision tells the whole question; small talk between is passed over; a model still reads it as asked."""
    model = Echo()
    history = (Turn("When was P-101 last serviced?", "On 2026-02-01 [1]."), Turn("Thanks!", "You're welcome."))
    entries = await tell(pipeline(model), question("And P-102?", history))
    decision = next(chunk["data"] for chunk in entries if chunk["type"] == "data-decision")
    assert decision["query"] == "When was P-102 last serviced?"
    assert model.requests[0].question == decision["query"]
    assert model.requests[0].messages[-1].content.rstrip().endswith("Question: And P-102?")
