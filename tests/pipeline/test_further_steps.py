"""The steps after the first search: what is looked for because of what was found."""

from chatserver.models.port import TextPart
from chatserver.models.scripted import ScriptedModel
from retrieval.errors import Temporary
from retrieval.ports import Filter
from retrieval.types import Found
from tests.pipeline.answered import (
    Echo,
    Library,
    letters,
    of,
    pipeline,
    question,
    tell,
)


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
