from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chatserver.answers.document import fold as server_fold
from chatserver.client import Answer, Chunk, Citation, Source, Transcript
from chatserver.client.transcript import from_document
from chatserver.protocol.chunks import citation


def folded(*chunks: Chunk) -> Answer:
    transcript = Transcript(Answer("a", "c", "q"))
    for chunk in chunks:
        transcript.add(chunk)
    return transcript.answer


def cite(source: str, start: int, end: int, quote: str) -> dict[str, Any]:
    """A citation of the wire."""
    return dict(citation(source, source, start, end, quote))


def text(delta: str) -> Chunk:
    return {"type": "text-delta", "id": "t", "delta": delta}


def test_text_sources_and_citations() -> None:
    """Deltas become the text, sources are numbered as they come, citations keep their quotes."""
    cited = cite("p1", 0, 2, "Hi.")
    answer = folded(
        {"type": "source-document", "sourceId": "p0", "mediaType": "text/plain", "title": "Zero"},
        {"type": "source-document", "sourceId": "p1", "mediaType": "text/plain", "title": "One"},
        {"type": "text-start", "id": "t"},
        text("Hi"),
        text(" [2]"),
        {"type": "text-end", "id": "t", "citations": [cited]},
        {"type": "finish", "finishReason": "stop"},
    )
    assert answer.text == "Hi [2]"
    assert answer.sources == (Source(1, "p0", "Zero"), Source(2, "p1", "One"))
    assert answer.citations == (Citation("p1", 0, 2, "Hi."),)
    assert answer.state == "completed"


def test_citations_of_a_second_part_point_into_the_whole_text() -> None:
    """Offsets are told within a text part and kept within the answer's text."""
    answer = folded(
        {"type": "text-start", "id": "t"},
        text("first. "),
        {"type": "text-end", "id": "t"},
        {"type": "text-start", "id": "u"},
        {"type": "text-delta", "id": "u", "delta": "second"},
        {"type": "text-end", "id": "u", "citations": [cite("p", 0, 6, "x")]},
    )
    (citation,) = answer.citations
    assert answer.text[citation.start : citation.end] == "second"


def test_reset_step_takes_back_its_step_only() -> None:
    """What finished steps showed stays, what the open one showed goes, and it may be told again."""
    answer = folded(
        {"type": "start-step"},
        {"type": "data-decision", "data": {"kind": "retrieve"}},
        {"type": "finish-step"},
        {"type": "start-step"},
        text("half"),
        {"type": "data-timing", "data": {}},
        {"type": "data-notice", "data": {"code": "n", "message": "m"}},
        {"type": "source-document", "sourceId": "p", "mediaType": "text/plain", "title": "P"},
        {"type": "reset-step"},
        text("hal"),
        {"type": "reset-step"},
        text("whole"),
    )
    assert answer == Answer("a", "c", "q", text="whole", data={"decision": {"kind": "retrieve"}})


def test_how_answers_end() -> None:
    """`abort` is stopped, `error` is failed with its code and words, anything else is still running."""
    assert folded({"type": "abort", "reason": "stopped"}).state == "stopped"
    failed = folded({"type": "error", "errorText": "No model.", "code": "model_unavailable"})
    assert (failed.state, failed.error) == ("failed", ("model_unavailable", "No model."))
    assert folded({"type": "something-new"}).state == "running"


steps = st.lists(
    st.one_of(
        st.sampled_from([{"type": "start-step"}, {"type": "finish-step"}, {"type": "reset-step"}]),
        st.text(max_size=5).map(text),
        st.integers().map(lambda n: {"type": "data-timing", "data": {"n": n}}),
        st.integers().map(lambda n: {"type": "data-notice", "data": {"code": "n", "message": str(n)}}),
        st.text(max_size=5).map(lambda id: {"type": "source-document", "sourceId": id, "title": id}),
    ),
    max_size=30,
)


@given(steps)
def test_the_client_sees_what_the_server_documents(chunks: list[dict[str, Any]]) -> None:
    """The client's fold and the server's document of the same entries agree."""
    ours, theirs = folded(*chunks).document(), server_fold(chunks)
    assert ours["text"] == theirs.text
    assert ours["sources"] == list(theirs.sources)
    assert ours["data"] == theirs.data
    assert ours["notices"] == list(theirs.notices)


def test_a_document_reads_back() -> None:
    """An answer's document is the answer again."""
    answer = folded(
        {"type": "source-document", "sourceId": "p", "mediaType": "text/plain", "title": "P"},
        {"type": "text-start", "id": "t"},
        text("x"),
        {"type": "text-end", "id": "t", "citations": [cite("p", 0, 1, "x")]},
        {"type": "data-notice", "data": {"code": "n", "message": "m"}},
        {"type": "error", "errorText": "No.", "code": "c"},
    )
    assert from_document(answer.document()) == answer
