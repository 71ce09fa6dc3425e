"""Commands: any frame is one command or one `InvalidCommand`, never anything else."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatserver.protocol.codes import ErrorCode
from chatserver.protocol.commands import MAX_DEPTH, Ack, Ask, Command, InvalidCommand, Ping, Resume, Stop, parse

LIMIT = 100
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(["type", "id", "chat", "text", "cursors", "answer", "seq", "epoch", "filter", "options"])
NEARLY = st.fixed_dictionaries(
    {"type": st.sampled_from(["ask", "resume", "ack", "stop", "ping", "Ask", ""])},
    optional={
        "id": st.text(max_size=3) | JSON,
        "chat": st.text(max_size=3) | JSON,
        "text": st.text(max_size=LIMIT + 5) | JSON,
        "answer": st.text(max_size=3) | JSON,
        "seq": st.integers(-2, 3) | JSON,
        "cursors": st.lists(
            st.fixed_dictionaries({"answer": st.text(max_size=2), "epoch": st.text(max_size=2), "seq": st.integers()})
            | JSON,
            max_size=3,
        )
        | JSON,
        "namespace": JSON,
        "filter": JSON,
        "options": JSON,
        "newer": JSON,
    },
)


def parsed(frame: str) -> Command | InvalidCommand:
    try:
        return parse(frame, max_question_characters=LIMIT)
    except InvalidCommand as error:
        return error


def refused(**fields: Any) -> InvalidCommand:
    outcome = parsed(json.dumps(fields))
    assert isinstance(outcome, InvalidCommand)
    return outcome


@given(JSON | NEARLY | st.dictionaries(FIELDS, JSON))
def test_any_json_value_is_a_command_or_invalid(value: object) -> None:
    """No other exception; a refusal has a known code and words, and a command's id when it told one."""
    outcome = parsed(json.dumps(value))
    if isinstance(outcome, InvalidCommand):
        assert outcome.code in ErrorCode
        assert outcome.message
        assert outcome.id is None or (isinstance(value, dict) and value["id"] == outcome.id)


@given(st.text() | st.binary().map(lambda data: data.decode("utf-8", "replace")))
@example("\ud800")
@example('{"type":"ping","id":"\\ud800"}')
@example('{"type":"ask"')
@example("\x00")
@example("[" * 100_000)
@example('{"a":' * 50_000)
@example("1" * 5_000)
@example("-1e999999")
@example("NaN")
@example("")
def test_any_text_is_a_command_or_invalid(frame: str) -> None:
    """Broken JSON, deep nesting, half surrogate pairs, huge numbers: `InvalidCommand`."""
    outcome = parsed(frame)
    assert not isinstance(outcome, InvalidCommand) or outcome.code in ErrorCode


@given(NEARLY)
def test_a_command_says_what_the_frame_said(value: dict[str, Any]) -> None:
    """Nothing is converted: every field of a command has exactly the value of the frame."""
    command = parsed(json.dumps(value))
    if not isinstance(command, InvalidCommand):
        for name, field in command.model_dump(exclude_unset=True).items():
            if name == "cursors":
                told = [{key: each[key] for key in ("answer", "epoch", "seq")} for each in value["cursors"]]
                assert field == told
            else:
                assert field == value[name]
                assert type(field) is type(value[name])


@pytest.mark.parametrize(
    ("frame", "command"),
    [
        ({"type": "ask", "id": "q", "chat": "c", "text": "?"}, Ask(type="ask", id="q", chat="c", text="?")),
        ({"type": "resume", "chat": "c"}, Resume(type="resume", chat="c")),
        ({"type": "ack", "answer": "a", "seq": 0}, Ack(type="ack", answer="a", seq=0)),
        ({"type": "stop", "answer": "a", "more": 1}, Stop(type="stop", answer="a")),
        ({"type": "ping"}, Ping(type="ping")),
        ({"type": "ping", "id": 7}, Ping(type="ping", id=7)),
        ({"type": "ask", "id": "\x00", "chat": "é", "text": "x" * LIMIT}, None),
        ({"type": "resume", "chat": "c", "cursors": [{"answer": "a", "epoch": "", "seq": -1}]}, None),
    ],
)
def test_commands_of_the_contract_are_taken(frame: dict[str, Any], command: Command | None) -> None:
    """With unknown fields ignored and optional ones left out."""
    taken = parsed(json.dumps(frame))
    assert not isinstance(taken, InvalidCommand)
    assert command is None or taken == command


GOOD_CURSOR = {"answer": "a", "epoch": "e", "seq": 1}


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"type": "ask", "id": "", "chat": "c", "text": "?"}, "id"),
        ({"type": "ask", "id": "x" * 201, "chat": "c", "text": "?"}, "id"),
        ({"type": "ask", "id": 1, "chat": "c", "text": "?"}, "id"),
        ({"type": "ask", "id": "q", "chat": None, "text": "?"}, "chat"),
        ({"type": "ask", "id": "q", "chat": "c", "text": ["?"]}, "text"),
        ({"type": "ask", "id": "q", "chat": "c"}, "text"),
        ({"type": "ask", "id": "q", "chat": "c", "text": "?", "filter": []}, "filter"),
        ({"type": "ask", "id": "q", "chat": "c", "text": "?", "options": "x"}, "options"),
        ({"type": "ask", "id": "q", "chat": "c", "text": "?", "namespace": "n" * 201}, "namespace"),
        ({"type": "ack", "answer": "a", "seq": -1}, "seq"),
        ({"type": "ack", "answer": "a", "seq": 1.0}, "seq"),
        ({"type": "ack", "answer": "a", "seq": True}, "seq"),
        ({"type": "ack", "answer": "a", "seq": "1"}, "seq"),
        ({"type": "ack", "answer": "a", "seq": 2**53}, "seq"),
        ({"type": "ack", "answer": "a", "seq": 10**30}, "seq"),
        ({"type": "resume", "chat": "c", "cursors": {}}, "cursors"),
        ({"type": "resume", "chat": "c", "cursors": [GOOD_CURSOR] * 1001}, "cursors"),
        ({"type": "resume", "chat": "c", "cursors": [GOOD_CURSOR, {**GOOD_CURSOR, "seq": -2}]}, "cursors.1.seq"),
        ({"type": "stop"}, "answer"),
        ({"type": "ping", "id": "x" * 201}, "id"),
        ({"type": "ping", "id": True}, "id"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], place: str) -> None:
    """`invalid_field`, and the message begins with the field's place."""
    error = refused(**fields)
    assert error.code is ErrorCode.INVALID_FIELD
    assert error.message.startswith(place)


@pytest.mark.parametrize(("kind", "shown"), [("nonsense", "«nonsense»"), (None, "none"), ({}, "none"), ("x" * 99, "x")])
def test_an_unknown_type_is_told_with_the_known_ones(kind: object, shown: str) -> None:
    """The unknown one is shown, cut short."""
    error = refused(type=kind, id="q")
    assert error.code is ErrorCode.UNKNOWN_TYPE
    assert shown in error.message
    assert "ask" in error.message
    assert len(error.message) < 200
    assert error.id == "q"


@pytest.mark.parametrize("text", ["", " ", "\n\t\u2003"])
def test_an_empty_question_is_refused(text: str) -> None:
    """Also one of white space only; the refusal names the question's id."""
    error = refused(type="ask", id="q", chat="c", text=text)
    assert (error.code, error.id) == (ErrorCode.EMPTY_QUESTION, "q")


def test_a_question_too_long_is_refused() -> None:
    """One character over the limit; the limit itself is taken."""
    error = refused(type="ask", id="q", chat="c", text="x" * (LIMIT + 1))
    assert (error.code, error.id) == (ErrorCode.QUESTION_TOO_LONG, "q")
    assert not isinstance(parsed(json.dumps({"type": "ask", "id": "q", "chat": "c", "text": "é" * LIMIT})), Exception)


@pytest.mark.parametrize("depth", [1, MAX_DEPTH, MAX_DEPTH + 1, 250, 1000, 100_000])
@pytest.mark.parametrize("field", ["options", "filter"])
def test_what_is_taken_can_be_written_again(field: str, depth: int) -> None:
    """However deep a client nests what it sends: it is refused as a command, or the log can keep it."""
    deep = '{"x":' * depth + "1" + "}" * depth
    taken = parsed(f'{{"type":"ask","id":"q","chat":"c","text":"?","{field}":{deep}}}')
    if depth > MAX_DEPTH:
        assert isinstance(taken, InvalidCommand)
        assert taken.code in {ErrorCode.INVALID_FIELD, ErrorCode.INVALID_JSON}
    else:
        assert isinstance(taken, Ask)
        assert orjson.dumps(taken.options)
        assert orjson.dumps(taken.filter)
