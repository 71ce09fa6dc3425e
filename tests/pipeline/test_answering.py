import asyncio
import json
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatserver.generation.continuation import continue_after
from chatserver.models.port import Model, ModelPart, ModelRequest, NoticePart, TextPart, Turn, UsagePart
from chatserver.models.scripted import Delay, Fault, ScriptedModel, Stall, Step
from chatserver.pipeline.answering import AnswerPipeline
from chatserver.pipeline.budget import Budget
from chatserver.pipeline.port import Question
from chatserver.pipeline.retrieve import Retriever
from chatserver.protocol import chunks
from chatserver.protocol.chunks import Chunk
from graph.planning.plan import Plan, Unknown
from graph.types import Collection, Condition, Record, RecordQuery
from prompts import Prompts
from retrieval.errors import RetrievalError, Temporary
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
_GRAMMAR = re.compile(r"S(\(d+\))+\(d*(<(t|d)+>)?d+\)[FE]")


def letters(entries: Sequence[Chunk]) -> str:
    return "".join("d" if chunk["type"].startswith("data-") else _LETTERS[chunk["type"]] for chunk in entries)


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
    closed = asyncio.Event()

    class Slow(Echo):
        async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelPart, None]:
            try:
                yield TextPart("so far")
                await asyncio.Event().wait()
            finally:
                closed.set()

    task = asyncio.create_task(tell(pipeline(Slow())))
    await asyncio.sleep(0.02)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert closed.is_set()


@pytest.mark.parametrize("asked", ["What moves the glycol?", "the newest event", "hello", "the state", "last week"])
@pytest.mark.parametrize("steps", [[TextPart("Yes [1]"), TextPart("[3].")], [TextPart("Yes"), Fault("broken")]])
async def test_an_answer_is_continued_from_every_cut(asked: str, steps: list[Step]) -> None:
    """Taken over after any entry, the log with its withdrawn step ends like the answer that was never cut, and
    the sources were searched once."""
    whole = await tell(pipeline(ScriptedModel(steps)), question(asked))
    for cut in range(len(whole)):
        library = Library()
        continuation = continue_after(whole[:cut])
        rest = await tell(pipeline(ScriptedModel(steps), library), question(asked), continuation.told)
        log = folded([*whole[:cut], *continuation.withdraw, *rest])
        assert [comparable(chunk) for chunk in log] == [comparable(chunk) for chunk in whole], cut
        searches = {"hello": 0, "the state": 2}.get(asked, 1)
        assert library.searched == max(0, searches - [chunk["type"] for chunk in whole[:cut]].count("finish-step"))


async def test_a_deleted_source_keeps_its_number() -> None:
    """A passage that is gone at the takeover keeps title and place, so that marks still mean the same source."""
    whole = await tell(pipeline(Echo()))
    told = whole[: [chunk["type"] for chunk in whole].index("finish-step") + 1]
    model = Echo()
    await tell(pipeline(model, Library(gone="pumps#0")), told=told)
    context = model.requests[0].context
    assert [ranked.passage.title for ranked in context.passages] == ["Pumps", "Valves"]
    assert [ranked.passage.text for ranked in context.passages] == ["", VALVE.text]


async def test_sources_that_cannot_be_loaded_end_a_takeover() -> None:
    """Without the texts of the told sources there is nothing to continue from."""
    whole = await tell(pipeline(Echo()))
    told = whole[: [chunk["type"] for chunk in whole].index("finish-step") + 1]
    rest = await tell(pipeline(Echo(), Library(Temporary("down"))), told=told)
    assert (letters(rest), of(rest, "error")["code"]) == ("(d)E", "retrieval_failed")


@pytest.mark.parametrize("library", [Library(Temporary("down")), None], ids=["failed", "too late"])
async def test_a_failed_retrieval_stays_failed_in_a_takeover(library: Library | None) -> None:
    """A first step that told no sources for a failure is not answered from nothing by the next owner."""

    class Stalled(Library):
        async def __call__(self, text: str, *, namespace: str, filter: Filter | None) -> Found:
            await asyncio.Event().wait()
            raise AssertionError

    whole = await tell(pipeline(Echo(), library or Stalled(), timeout_s=SOON_S))
    told = whole[: [chunk["type"] for chunk in whole].index("finish-step") + 1]
    model = Echo()
    rest = await tell(pipeline(model), told=told)
    assert (letters(rest), of(rest, "error")["code"]) == ("(d)E", "retrieval_failed")
    assert model.requests == []


async def test_a_takeover_loads_its_sources_in_time_or_ends() -> None:
    """The deadline covers the loading of told passages."""

    class Stalled(Library):
        async def passages(self, ids: Sequence[str], *, namespace: str = "") -> list[Passage]:
            await asyncio.Event().wait()
            raise AssertionError

    whole = await tell(pipeline(Echo()))
    told = whole[: [chunk["type"] for chunk in whole].index("finish-step") + 1]
    rest = await tell(pipeline(Echo(), Stalled(), timeout_s=SOON_S), told=told)
    assert (letters(rest), of(rest, "error")["code"]) == ("(d)E", "answer_timeout")


def folded(log: Sequence[Chunk]) -> list[Chunk]:
    """The log as a reader sees it: a reset drops what its step has shown."""
    shown: list[Chunk] = []
    for chunk in log:
        if chunk["type"] == "reset-step":
            while shown[-1]["type"] != "start-step":
                shown.pop()
        else:
            shown.append(chunk)
    return shown


def comparable(chunk: Chunk) -> Chunk:
    """Without measured times, and without the phases that a takeover does not run again."""
    if chunk["type"] == "data-timing":
        return {"type": "data-timing", "outcome": chunk["data"]["outcome"]}
    if chunk["type"] == "data-retrieval":
        return {**chunk, "data": {**chunk["data"], "legs": [leg["leg"] for leg in chunk["data"]["legs"]]}}
    return chunk


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
    assert _GRAMMAR.fullmatch(letters(entries)), letters(entries)


async def test_a_follow_up_is_searched_for_as_what_it_stands_for() -> None:
    """The decision tells the whole question; small talk between is passed over; a model still reads it as asked."""
    model = Echo()
    history = (Turn("When was P-101 last serviced?", "On 2026-02-01 [1]."), Turn("Thanks!", "You're welcome."))
    entries = await tell(pipeline(model), question("And P-102?", history))
    decision = next(chunk["data"] for chunk in entries if chunk["type"] == "data-decision")
    assert decision["query"] == "When was P-102 last serviced?"
    assert model.requests[0].question == decision["query"]
    assert model.requests[0].messages[-1].content.rstrip().endswith("Question: And P-102?")


async def test_a_failing_record_is_looked_up() -> None:
    """What failed is searched for in a step of its own, which numbers on what it adds and says why it was taken."""
    model = Echo()
    entries = await tell(pipeline(model), question("the state"))
    assert letters(entries) == "S(dddddd)(dd)(<t>dd)F"
    first, second = (chunk["data"] for chunk in entries if chunk["type"] == "data-retrieval")
    assert first["next"] == [
        {"reason": "Snapshot w1 names bearing wear P-101", "search": "bearing wear P-101", "query": None}
    ]
    assert [(passage["id"], passage["n"]) for passage in second["passages"]] == [("wear#0", 4)]
    assert (second["looked"], second["stopped"]) == (["bearing wear P-101"], "nothing_to_follow")
    context = model.requests[0].context
    assert (context.passage_numbers, context.record_numbers) == ((1, 2, 4), (3,))
    assert "[4] Bearing wear" in model.requests[0].messages[-1].content
    sources = [chunk["sourceId"] for chunk in entries if chunk["type"] == "source-document"]
    assert sources == ["pumps#0", "valves", "record:Snapshot/w1", "wear#0"]


async def test_a_mark_means_the_source_of_its_step() -> None:
    """Sources of a later step are cited by the numbers that were told."""
    entries = await tell(pipeline(ScriptedModel([TextPart("It fails [3]. It is worn [4].")])), question("the state"))
    cited = [citation["source"]["id"] for citation in of(entries, "text-end")["citations"]]
    assert cited == ["record:Snapshot/w1", "wear#0"]


async def test_a_range_without_records_is_asked_again_without_it() -> None:
    """The newest record of any time comes with a note of what was not found; other conditions stay."""
    model = Echo()
    entries = await tell(pipeline(model), question("last week"))
    first, second = (chunk["data"] for chunk in entries if chunk["type"] == "data-retrieval")
    (note,) = first["notes"]
    assert (note["code"], note["of"]) == ("empty_range", "TelemetryEvent")
    (look,) = first["next"]
    assert [condition["field"] for condition in look["query"]["conditions"]] == ["sensor"]
    assert [record["id"] for record in of(entries, "data-records")["data"]] == ["e1"]
    assert second["stopped"] == "nothing_to_follow"
    assert "There is no TelemetryEvent with" in model.requests[0].messages[-1].content


async def test_an_unknown_name_is_told_with_the_nearest() -> None:
    """No query runs; the note is an entry, and a model reads it."""
    model = Echo()
    entries = await tell(pipeline(model), question("unknown"))
    assert of(entries, "data-retrieval")["data"]["notes"] == [
        {"code": "unknown_value", "name": "P-9", "of": "TelemetryEvent component", "nearest": ["P-1"]}
    ]
    assert "No TelemetryEvent component is called “P-9”. There is: P-1." in model.requests[0].messages[-1].content


async def test_a_search_that_fails_on_the_way_leaves_a_partial_answer() -> None:
    """The step says that it failed and looking stops; the answer is written from what there is."""

    class Flaky(Library):
        async def __call__(self, text: str, *, namespace: str, filter: Filter | None) -> Found:
            if self.searched:
                raise Temporary("down")
            return await super().__call__(text, namespace=namespace, filter=filter)

    entries = await tell(pipeline(Echo(), Flaky()), question("the state"))
    _, second = (chunk["data"] for chunk in entries if chunk["type"] == "data-retrieval")
    assert (second["legs"][0]["state"], second["stopped"]) == ("failed", "failed")
    assert [(note["code"], note["name"]) for note in second["notes"]] == [("not_searched", "bearing wear P-101")]
    assert entries[-1]["type"] == "finish"


async def test_a_dead_end_is_told() -> None:
    """What was followed up and brought nothing new ends the looking, and the answer's model reads that it did."""

    class Empty(Library):
        async def __call__(self, text: str, *, namespace: str, filter: Filter | None) -> Found:
            found = await super().__call__("", namespace=namespace, filter=filter)
            return found if text == "the state" else Found((), found.legs)

    model = Echo()
    entries = await tell(pipeline(model, Empty()), question("the state"))
    _, second = (chunk["data"] for chunk in entries if chunk["type"] == "data-retrieval")
    assert (second["passages"], second["stopped"]) == ([], "nothing_new")
    assert [(note["code"], note["name"]) for note in second["notes"]] == [("nothing_more", "bearing wear P-101")]
    assert "Nothing more was found about “bearing wear P-101”." in model.requests[0].messages[-1].content
    assert entries[-1]["type"] == "finish"


async def test_after_the_last_step_the_rest_is_told_as_not_followed() -> None:
    """Three ranges of time without a record: two are asked again, the third is said to be left out."""
    model = Echo()
    entries = await tell(pipeline(model), question("three weeks"))
    first, second, third = (chunk["data"] for chunk in entries if chunk["type"] == "data-retrieval")
    assert (len(first["next"]), "stopped" in second, third["stopped"]) == (3, False, "most_steps")
    assert [note["code"] for note in third["notes"]] == ["nothing_more", "not_followed"]
    assert "It was not followed up: “PressureEvent, by t_start" in model.requests[0].messages[-1].content


async def test_what_would_be_sent_has_every_step() -> None:
    """The rendered prompt is the one that the model is sent."""
    model = Echo()
    asked = pipeline(model)
    rendered = await asked.rendered(question("the state"))
    await tell(asked, question("the state"))
    assert rendered is not None
    assert rendered.messages == model.requests[0].messages
