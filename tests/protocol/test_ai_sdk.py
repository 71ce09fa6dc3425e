"""The AI SDK's frames as a conversation: whatever comes in, each request is told one run of entries and one end."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatserver.answers.meta import AnswerMeta, NewAnswer
from chatserver.answers.states import AnswerState
from chatserver.protocol import events
from chatserver.protocol.ai_sdk import AiSdkSession
from chatserver.protocol.codes import CloseCode, ErrorCode
from chatserver.protocol.session import Close, Effect, Follow, Limits, Perform, Send, Unfollow

LIMITS = Limits(max_message_bytes=400, max_question_characters=50)


def meta(answer: str = "a1", *, at: float = 1.0) -> AnswerMeta:
    new = NewAnswer(answer, f"e-{answer}", "ada", "c1", f"ask-{answer}", "?", at)
    return AnswerMeta(new, AnswerState.RUNNING, 1, None, 3, -1, False, 0.0)


def message(text: str, *, id: str = "m1", role: str = "user") -> dict[str, Any]:
    return {"id": id, "role": role, "parts": [{"type": "step-start"}, {"type": "text", "text": text, "state": "done"}]}


def send(request: str = "r1", messages: Any = None, **fields: Any) -> str:
    told = [message("?")] if messages is None else messages
    frame = {"type": "send", "requestId": request, "id": "c1", "trigger": "submit-message", "messages": told}
    return json.dumps({**frame, "headers": {}, "body": {}, **fields})


def resume(request: str = "r1") -> str:
    return json.dumps({"type": "resume", "requestId": request, "id": "c1", "headers": {}, "body": {}})


def abort(request: str = "r1") -> str:
    return json.dumps({"type": "abort", "requestId": request})


def performed(session: AiSdkSession, frame: str) -> Any:
    (effect,) = session.receive(frame)
    assert isinstance(effect, Perform)
    return effect.command


def sent(effects: list[Effect]) -> list[dict[str, Any]]:
    return [json.loads(effect.event.frame()) for effect in effects if isinstance(effect, Send)]


@pytest.fixture
def session() -> AiSdkSession:
    return AiSdkSession(LIMITS)


def test_a_send_is_an_ask_with_its_turns(session: AiSdkSession) -> None:
    """The last message of the user, in the chat of that id; the messages before it are its history."""
    messages = [
        message("Be brief.", role="system"),
        message("One?"),
        message("1.", role="assistant"),
        message("Two?", id="m2"),
    ]
    ask = performed(session, send(messages=messages, body={"namespace": "n", "filter": {"lang": "en"}, "more": 1}))
    assert (ask.chat, ask.text, ask.namespace, ask.filter) == ("c1", "Two?", "n", {"lang": "en"})
    assert [(turn.question, turn.answer) for turn in ask.history] == [("One?", "1.")]


def test_one_message_alone_leaves_the_history_to_the_log(session: AiSdkSession) -> None:
    """Then the client has none to tell."""
    assert performed(session, send()).history is None


def test_an_edited_or_regenerated_message_branches(session: AiSdkSession) -> None:
    """It follows the answer before it, whose message has that answer's id; the chat's first one follows none, and has
    no history, though it comes alone."""
    messages = [message("One?"), message("1.", id="a1", role="assistant"), message("Two!", id="m2")]
    assert performed(session, send(messages=messages, messageId="m2")).after == "a1"
    assert performed(session, send("r2", [message("One!")], messageId="m1")).after == ""
    first = performed(session, send("r3", [message("One?")], messageId="a1", trigger="regenerate-message"))
    assert (first.after, first.history) == ("", [])
    assert performed(session, send("r4")).after is None
    unanswered = [message("One?"), message("Two?", id="m2")]
    assert performed(session, send("r5", unanswered)).after is None


def test_a_message_sent_again_is_the_same_question(session: AiSdkSession) -> None:
    """By its id and text, whatever the request; an edited one and one to be answered anew are not."""
    again = {performed(session, send(f"r{n}")).id for n in range(3)}
    others = [
        send("s1", [message("?", id="m2")]),
        send("s2", [message("!")]),
        send("s3", trigger="regenerate-message"),
        send("s4", messageId="m1"),
        send("s5", id="c2"),
    ]
    assert len(again) == 1
    assert len(again | {performed(session, frame).id for frame in others}) == 6


def test_an_answer_is_told_under_its_request(session: AiSdkSession) -> None:
    """Its frames differ from those of chat.v1 only in their head, and one `end` follows."""
    ask = performed(session, send('r"1'))
    (follow,) = session.asked(ask, meta())
    assert isinstance(follow, Follow)
    assert (follow.answer, follow.first, follow.live, follow.name) == ("a1", 0, 3, 'r"1')
    frames = events.chunk_frames("a1", "e-a1", 41, [b'{"type":"start","messageId":"a1"}'])
    assert follow.form is not None
    told = json.loads(follow.form(frames[0]))
    assert told == {"type": "chunk", "requestId": 'r"1', "sequence": 41, "chunk": {"type": "start", "messageId": "a1"}}
    assert sent(session.ended('r"1', 41, AnswerState.COMPLETED)) == [{"type": "end", "requestId": 'r"1'}]


def test_a_resume_tells_the_newest_answer_or_that_there_is_none(session: AiSdkSession) -> None:
    """From its start: the transport asks for no less."""
    asked = performed(session, resume())
    start, follow = session.resumed(asked, [meta("a2", at=2.0), meta("a1")], {})
    assert sent([start]) == [{"type": "start", "requestId": "r1"}]
    assert isinstance(follow, Follow)
    assert (follow.answer, follow.first) == ("a2", 0)
    other = performed(session, resume("r2"))
    assert sent(session.resumed(other, [], {})) == [{"type": "no-active", "requestId": "r2"}]


def test_an_abort_stops_the_answer(session: AiSdkSession) -> None:
    """Of a request under way at once, of one whose answer is not known yet as soon as it is, of none nothing."""
    session.asked(performed(session, send()), meta())
    unfollow, stop = session.receive(abort())
    assert unfollow == Unfollow("r1")
    assert isinstance(stop, Perform)
    assert stop.command.answer == "a1"  # type: ignore[union-attr]
    ask = performed(session, send("r2"))
    assert session.receive(abort("r2")) == []
    (later,) = session.asked(ask, meta("a2"))
    assert isinstance(later, Perform)
    assert later.command.answer == "a2"  # type: ignore[union-attr]
    assert session.receive(abort("r2")) == session.receive(abort("r3")) == []


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (send(messages=[]), ErrorCode.INVALID_FIELD),
        (send(messages=[message("hello", role="assistant")]), ErrorCode.INVALID_FIELD),
        (send(messages=[message("  ")]), ErrorCode.EMPTY_QUESTION),
        (send(messages=[message("x" * 51)]), ErrorCode.QUESTION_TOO_LONG),
        (send(id=""), ErrorCode.INVALID_FIELD),
        (send(body={"filter": []}), ErrorCode.INVALID_FIELD),
        (send(trigger="other"), ErrorCode.INVALID_FIELD),
        (json.dumps({"type": "dance", "requestId": "r1"}), ErrorCode.UNKNOWN_TYPE),
        (json.dumps({"type": "resume", "requestId": "r1"}), ErrorCode.INVALID_FIELD),
    ],
)
def test_a_faulty_request_ends_alone(session: AiSdkSession, frame: str, code: ErrorCode) -> None:
    """With a code and words for people; the connection goes on, and the request may be tried again."""
    (told,) = sent(session.receive(frame))
    assert (told["type"], told["requestId"], told["code"]) == ("error", "r1", code)
    assert told["errorText"]
    assert performed(session, send()).text == "?"


@given(frame=st.text() | st.binary() | st.just("x" * 4801) | st.sampled_from(["[]", "{}", '{"requestId": 5}']))
def test_what_names_no_request_closes(frame: str | bytes) -> None:
    """The transport takes no frame without one; after the close nothing has an effect."""
    session = AiSdkSession(LIMITS)
    (close,) = session.receive(frame)
    assert isinstance(close, Close)
    assert close.code is CloseCode.POLICY
    assert session.closed
    assert session.receive(send()) == session.asked(performed(AiSdkSession(LIMITS), send()), meta()) == []
    assert session.close(CloseCode.DONE, "") == session.failed(ErrorCode.INTERNAL, "", id="r1") == []


def test_while_it_drains_questions_are_refused(session: AiSdkSession) -> None:
    """With the time to come again; what is under way can be resumed and stopped."""
    assert session.drain(300) == []
    (told,) = sent(session.receive(send()))
    assert (told["code"], told["retry_after_ms"]) == ("draining", 300)
    assert performed(session, resume()).chat == "c1"


def test_a_request_id_in_use_is_refused(session: AiSdkSession) -> None:
    """Two runs of entries under one name could not be told apart, nor could an error: the connection ends."""
    performed(session, send())
    assert session.receive(resume()) == [Close(CloseCode.POLICY, ErrorCode.INVALID_FIELD)]
