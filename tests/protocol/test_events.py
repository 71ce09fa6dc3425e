"""Events: valid JSON whatever they carry, and frames of entries that parse back to the entry."""

import json
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from chatserver.answers.position import Cursor, Verdict, resume_point
from chatserver.answers.states import AnswerState, sealed_by
from chatserver.protocol import chunks, events
from chatserver.protocol.codes import CloseCode, ErrorCode

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
CHUNKS = st.dictionaries(st.text(max_size=8), JSON, max_size=4).map(lambda rest: {**rest, "type": "data-x"})
HEX = st.text("0123456789abcdef", min_size=1, max_size=32)


@given(HEX, HEX, st.integers(0, 2**53), st.lists(CHUNKS, max_size=5))
def test_frames_of_entries_parse_back(answer: str, epoch: str, first: int, told: list[dict[str, Any]]) -> None:
    """Consecutive seqs, the chunk as it was told, no other field; a replay only adds its mark."""
    frames = events.chunk_frames(answer, epoch, first, [orjson.dumps(chunk) for chunk in told])
    assert len(frames) == len(told)
    for offset, (frame, chunk) in enumerate(zip(frames, told, strict=True)):
        event = {"type": "chunk", "answer": answer, "epoch": epoch, "seq": first + offset, "chunk": chunk}
        assert json.loads(frame) == event
        assert json.loads(events.as_replay(frame)) == {**event, "replay": True}
        assert "\n" not in frame


@given(st.text(), st.text(), st.integers(0, 2**53))
def test_events_are_json_whatever_they_carry(id: str, chat: str, number: int) -> None:
    """Any text of a client comes back as it was sent; what is None is left out."""
    assert json.loads(events.Pong(id=id).frame()) == {"type": "pong", "id": id}
    accepted = events.Accepted(id=id, answer="a", chat=chat, epoch="e").frame()
    assert json.loads(accepted) == {"type": "accepted", "id": id, "answer": "a", "chat": chat, "epoch": "e"}
    error = json.loads(events.Error(code=ErrorCode.INTERNAL, message=chat, retry_after_ms=number).frame())
    assert error == {"type": "error", "code": "internal", "message": chat, "retry_after_ms": number}


def test_codes_are_stable() -> None:
    """Clients compare them: a change here breaks them."""
    assert {code.name: int(code) for code in CloseCode} == {
        "DONE": 1000,
        "GOING_AWAY": 1001,
        "POLICY": 1008,
        "INTERNAL": 1011,
        "RESTART": 1012,
        "TRY_LATER": 1013,
        "UNAUTHENTICATED": 4401,
        "FORBIDDEN": 4403,
        "TOO_SLOW": 4408,
        "RATE_LIMITED": 4429,
    }
    assert all(code == code.name.lower() for code in ErrorCode)


@given(st.none() | st.tuples(st.sampled_from(["e", "x"]), st.integers(-5, 12)), st.integers(0, 9))
def test_a_resume_point_is_right_behind_the_cursor_or_the_start(cursor: tuple[str, int] | None, head: int) -> None:
    """Behind it when the log has its entry (or it has none yet), else the start: never a place that the log lacks."""
    verdict, first = resume_point(cursor and Cursor("a", *cursor), "e", head)
    assert 0 <= first <= head
    if cursor is not None and cursor[0] == "e" and -1 <= cursor[1] < head:
        assert (verdict, first) == (Verdict.RESUMED, cursor[1] + 1)
    else:
        assert (verdict, first) == (Verdict.SNAPSHOT, 0)


def test_terminal_chunks_seal_and_no_others() -> None:
    """The table of states and the set of terminal types say the same."""
    every = [
        chunks.start("a"),
        chunks.start_step(),
        chunks.finish_step(),
        chunks.reset_step(),
        chunks.text_start("t"),
        chunks.text_delta("t", "x"),
        chunks.text_end("t"),
        chunks.source_document("s", "S"),
        chunks.data("notice", {}),
        chunks.error("No.", "x"),
        chunks.abort("stopped"),
        chunks.finish(),
    ]
    states = {chunk["type"]: sealed_by(chunk) for chunk in every if sealed_by(chunk)}
    assert states == {"error": AnswerState.FAILED, "abort": AnswerState.STOPPED, "finish": AnswerState.COMPLETED}
    assert states.keys() == chunks.TERMINAL
    assert [chunk["type"] for chunk in every if chunks.is_terminal(chunk)] == list(states)
    assert all(state.sealed for state in states.values() if state)
