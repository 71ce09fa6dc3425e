"""An answer's entries as one document: what a reader of all of them sees at the end."""

from hypothesis import given
from hypothesis import strategies as st

from chatserver.answers.document import fold, read_chunks, read_document
from chatserver.answers.memory import MemoryAnswerLog
from chatserver.protocol import chunks
from chatserver.protocol.chunks import Chunk
from tests.contracts.answer_logs import LEASE_S, batch, begun

STEP = st.lists(
    st.sampled_from(
        [
            chunks.text_start("t"),
            chunks.text_delta("t", "x"),
            chunks.text_delta("t", "yz"),
            chunks.text_end("t", [chunks.citation("p", "P", 0, 1, "x")]),
            chunks.source_document("p", "P"),
            chunks.data("decision", {"kind": "retrieve"}),
            chunks.data("notice", {"code": "n"}),
        ]
    ),
    max_size=6,
)


def spoken(part: str, text: str, *citations: chunks.Citation) -> list[Chunk]:
    return [chunks.text_start(part), chunks.text_delta(part, text), chunks.text_end(part, citations)]


def test_everything_that_was_told_is_there() -> None:
    """Text, numbered sources, citations, the payload of each kind of data, every notice."""
    document = fold(
        [
            chunks.start("a"),
            chunks.start_step(),
            chunks.data("decision", {"kind": "greeting"}),
            chunks.data("decision", {"kind": "retrieve"}),
            chunks.source_document("p1", "One"),
            chunks.source_document("p2", "Two"),
            chunks.data("notice", {"code": "a"}),
            chunks.data("notice", {"code": "b"}),
            *spoken("t", "Cold [1].", chunks.citation("p1", "One", 0, 4, "cold")),
            chunks.finish_step(),
            chunks.finish(),
        ]
    )
    assert document.text == "Cold [1]."
    assert [(source["n"], source["sourceId"], source["title"]) for source in document.sources] == [
        (1, "p1", "One"),
        (2, "p2", "Two"),
    ]
    assert document.citations == ({"sourceId": "p1", "start": 0, "end": 4, "quote": "cold"},)
    assert document.data == {"decision": {"kind": "retrieve"}}
    assert document.notices == ({"code": "a"}, {"code": "b"})
    assert document.error is None


def test_what_several_steps_found_stands_together() -> None:
    """Lists one after the other; what is no list is the last step's."""
    first, second = {"legs": ["a"], "passages": [1], "stopped": ""}, {"legs": ["b"], "passages": [], "stopped": "x"}
    told = [chunks.data("retrieval", first), chunks.data("records", [1]), chunks.data("records", [2])]
    document = fold([*told, chunks.data("retrieval", second)])
    assert document.data["records"] == [1, 2]
    assert document.data["retrieval"] == {"legs": ["a", "b"], "passages": [1], "stopped": "x"}


def test_citations_are_characters_of_the_whole_text() -> None:
    """Those of a later text part count from the start of the text, not of the part."""
    document = fold(
        [
            *spoken("t1", "Ice is cold. "),
            *spoken("t2", "Steam is hot.", chunks.citation("p", "P", 0, 5, "steam")),
        ]
    )
    (citation,) = document.citations
    assert document.text[citation["start"] : citation["end"]] == "Steam"


def test_an_error_is_told_with_its_code() -> None:
    """What was said before it stays."""
    document = fold([*spoken("t", "So far"), chunks.error("No more.", "model_down")])
    assert document.text == "So far"
    assert document.error == {"code": "model_down", "message": "No more."}


@given(STEP, STEP, STEP)
def test_a_withdrawn_step_has_left_nothing(before: list[Chunk], withdrawn: list[Chunk], after: list[Chunk]) -> None:
    """Told, reset and told again is as if it had been told once; finished steps are untouched."""
    first = [chunks.start_step(), *before, chunks.finish_step()]
    told = fold([*first, chunks.start_step(), *withdrawn, chunks.reset_step(), *after, chunks.finish_step()])
    assert told == fold([*first, chunks.start_step(), *after, chunks.finish_step()])


async def test_a_document_has_the_entries_of_its_meta() -> None:
    """What is appended after the meta was read is not in it, so that both belong together."""
    log = MemoryAnswerLog()
    claim = await begun(log, entries=3)
    meta = await log.meta("a1")
    assert meta is not None
    await log.append(claim, batch(3, 2), LEASE_S)
    assert [chunk["delta"] for chunk in await read_chunks(log, meta)] == ["0", "1", "2"]
    assert (await read_document(log, meta)).text == "012"
