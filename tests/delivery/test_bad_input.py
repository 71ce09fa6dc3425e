"""Whatever comes over the wire: a clear error with a code, and the next command is carried out."""

import json
import random
from contextlib import suppress
from typing import Any

import pytest
import websockets

from chatserver.protocol.codes import ErrorCode
from chatserver.protocol.session import MAX_OFFENCES
from tests.delivery.served import System, Tab, cursor, tab

GOOD_CURSOR = {"answer": "a", "epoch": "e", "seq": 1}


def question(text: object = "1", **fields: Any) -> str:
    return json.dumps({"type": "ask", "id": "q", "chat": "c", "text": text, **fields})


async def still_answers(tab: Tab, id: str = "afterwards") -> None:
    """A correct question is answered on this connection."""
    accepted = await tab.ask("2", id=id)
    end = await tab.until("end", answer=accepted["answer"])
    assert end["state"] == "completed"


BAD: dict[str, list[str | bytes]] = {
    "invalid_json": [
        "",
        "{",
        "nonsense",
        "null",
        "[]",
        '"ask"',
        "1e999",
        "[" * 100_000,
        '{"a":' * 30_000,
        '{"type":"ask","id":"\\ud800","chat":"c","text":"?"}',
        '{"type":"ask","id":"q","chat":"c","text":"\\udfff half"}',
        '{"type":"ack","answer":"a","seq":' + "9" * 400 + "}",
    ],
    "binary_frame": [b"", b"\x00\x01", question().encode()],
    "unknown_type": ["{}", '{"type":"Ask"}', '{"type":["ask"]}', '{"type":"' + "x" * 10_000 + '"}'],
    "invalid_field": [
        question(1),
        question(id="x" * 201),
        question(id=""),
        question(chat={"$ne": None}),
        question(filter="all"),
        question(after=7),
        question(after="x" * 201),
        question(options={"x": json.loads("[" * 100 + "]" * 100)}),
        '{"type":"ack","answer":"a","seq":-1}',
        '{"type":"ack","answer":"a","seq":1.5}',
        '{"type":"ack","answer":"a","seq":true}',
        '{"type":"ack","answer":"a","seq":' + "9" * 30 + "}",
        json.dumps({"type": "resume", "chat": "c", "cursors": [GOOD_CURSOR] * 1001}),
        json.dumps({"type": "resume", "chat": "c", "cursors": [{**GOOD_CURSOR, "seq": "1"}]}),
    ],
    "invalid_filter": [
        question(filter={"x": {"$where": "1"}}),
        question(filter={"$and": []}),
        question(filter={"x": None}),
        question(filter={"x\x00": 1}),
    ],
    "empty_question": [question(""), question(" \n\t")],
    "question_too_long": [question("x" * 100_000)],
    "message_too_large": [question("x" * 2_000_000), question("é" * 200_000)],
    "unknown_answer": [
        question(after="nothing"),
        question(after="\x00"),
        '{"type":"ack","answer":"nothing","seq":1}',
        '{"type":"stop","answer":"nothing"}',
        '{"type":"stop","answer":"\\u0000"}',
    ],
}


@pytest.mark.parametrize("code", BAD)
async def test_bad_frames_get_their_code(system: System, code: str) -> None:
    """The error has that code and words without the server's insides; the connection goes on."""
    async with tab(system) as only:
        for frame in BAD[code]:
            await only.socket.send(frame)
            error = await only.until("error")
            assert error["code"] == code, frame[:80]
            assert 0 < len(error["message"]) < 300
            assert not any(word in error["message"] for word in ("Traceback", "pydantic", "sqlite", "orjson"))
        await still_answers(only)


async def test_an_error_names_the_question(system: System) -> None:
    """So that a client knows which of its questions was refused."""
    async with tab(system) as only:
        for frame in (question(""), question("x" * 100_000), question(filter={"$x": 1}), question(chat=1)):
            await only.socket.send(frame)
            assert (await only.until("error"))["id"] == "q"


async def test_a_key_is_taken_only_where_it_is_allowed(system: System) -> None:
    """By default a question with a key of its own is refused, under its id, and not asked."""
    async with tab(system) as client:
        await client.send("ask", id="q1", chat="c1", text="4", provider_key="sk-of-mine")
        error = await client.until("error")
        assert (error["code"], error["id"]) == ("provider_key_refused", "q1")
        assert "sk-of-mine" not in repr(error)
        await client.ask("4", id="q2")


async def test_a_question_follows_an_answer_of_its_own_chat(system: System) -> None:
    """Nobody branches off an answer of another chat; that of the same one is taken, and told by no option."""
    async with tab(system) as client:
        other = await client.ask("4", id="q1", chat="c1")
        await client.send("ask", id="q2", chat="c2", text="4", after=other["answer"])
        error = await client.until("error")
        assert (error["code"], error["id"]) == ("unknown_answer", "q2")
        await client.send("ask", id="q4", chat="c2", text="4", after=other["answer"], history=[])
        lenient = await client.until("accepted", id="q4")
        await client.send("ask", id="q3", chat="c1", text="4", after=other["answer"], options={"$after": "odd", "x": 1})
        accepted = await client.until("accepted", id="q3")
    told = await system.answers.meta(lenient["answer"])
    assert told is not None
    assert told.question.options == {"$history": []}, "with the turns told, its place is of no matter"
    meta = await system.answers.meta(accepted["answer"])
    assert meta is not None
    assert meta.question.options == {"x": 1, "$after": other["answer"]}


async def test_odd_texts_come_back_as_they_were(system: System) -> None:
    """NUL, controls, right-to-left, astral characters: in ids, chats and questions alike."""
    odd = "\x00 \u202e \U0001f9ca \u2028 'quote\" \\ %s </script>"
    async with tab(system) as only:
        accepted = await only.ask("1", id=odd[:200], chat=odd)
        assert (accepted["id"], accepted["chat"]) == (odd, odd)
        await only.until("end")
        resumed = await only.resume(cursor(accepted, 0), chat=odd)
        assert [answer["verdict"] for answer in resumed["answers"]] == ["resumed"]
        document = await system.answers.meta(accepted["answer"])
        assert document is not None
        assert document.question.chat == odd


async def test_repeated_offences_close_with_1008(system: System) -> None:
    """Each is told, the last one too; the next connection is welcome."""
    async with tab(system) as only:
        for _ in range(MAX_OFFENCES):
            await only.socket.send("{")
        assert await only.closed() == 1008
        assert [event["type"] for event in only.events[1:]] == ["error"] * MAX_OFFENCES
    async with tab(system) as again:
        await still_answers(again)


async def test_an_offender_disturbs_nobody(system: System) -> None:
    """Its own answer under way is not lost, another tab is told all of it."""
    async with tab(system) as rude, tab(system) as other:
        accepted = await rude.ask("held 6")
        await other.resume()
        for _ in range(MAX_OFFENCES):
            await rude.socket.send(b"\xff")
        assert await rude.closed() == 1008
        system.pipeline.release(100)
        assert (await other.until("end", answer=accepted["answer"]))["state"] == "completed"


async def test_a_message_beyond_the_servers_own_limit_closes_with_1009(system: System) -> None:
    """Larger than uvicorn takes at all: the connection ends by the WebSocket's own code, the next one works."""
    async with tab(system) as only:
        with suppress(websockets.ConnectionClosed):
            await only.socket.send("x" * (5 * 1024 * 1024))
        assert await only.closed() == 1009
    async with tab(system) as again:
        await still_answers(again)


async def test_invalid_utf8_closes_with_1007(system: System, caplog: pytest.LogCaptureFixture) -> None:
    """A text frame that is no text ends the connection by the WebSocket's own code, the next one works."""
    async with tab(system) as only:
        await only.socket.send(b'{"type":"ping","id":"\xff"}', text=True)
        assert await only.closed() == 1007
    async with tab(system) as again:
        await still_answers(again)
    caplog.clear()  # uvicorn itself logs this one with a traceback


async def test_a_frame_that_is_none_closes_with_1002(system: System) -> None:
    """A frame of a kind that WebSocket does not have ends the connection, the next one works."""
    async with tab(system) as only:
        only.socket.transport.write(b"\x83\x80\0\0\0\0")
        assert await only.closed() == 1002
    async with tab(system) as again:
        await still_answers(again)


async def test_fragments_and_control_frames_between_them(system: System) -> None:
    """A command in a hundred fragments with pings between is one command."""
    async with tab(system) as only:
        text = question("2", id="fragmented")

        async def fragments() -> Any:
            for start in range(0, len(text), 3):
                yield text[start : start + 3]
                await only.socket.ping()

        await only.socket.send(fragments())
        await only.until("accepted", id="fragmented")
        await only.until("end")


def noise(rng: random.Random) -> str | bytes:
    """One frame: noise, a command with a field gone bad, or a mutilated command."""
    values: list[Any] = [None, True, -1, 0, 1.5, 2**64, "", "a", "x" * 300, "\x00", [], [1], {}, {"a": {"b": []}}]
    command: dict[str, Any] = rng.choice(
        [
            {"type": "ask", "id": "f", "chat": "fuzz", "text": "1"},
            {"type": "resume", "chat": "fuzz", "cursors": [GOOD_CURSOR, {}]},
            {"type": "ack", "answer": "a", "seq": 1},
            {"type": "stop", "answer": "a"},
            {"type": "ping", "id": 1},
        ]
    )
    match rng.randrange(5):
        case 0:
            return rng.randbytes(rng.randrange(40))
        case 1:
            return "".join(chr(rng.choice([rng.randrange(128), rng.randrange(0xD800)])) for _ in range(30))
    for _ in range(rng.randrange(3)):
        command[rng.choice([*command, "filter", "options", "extra"])] = rng.choice(values)
    text = json.dumps(command)
    if rng.random() < 0.3:
        place = rng.randrange(len(text))
        text = text[:place] + chr(rng.randrange(32, 127)) * rng.randrange(3) + text[place + 1 :]
    return text


@pytest.mark.parametrize("seed", range(4))
async def test_a_thousand_frames_of_noise(system: System, seed: int) -> None:
    """Every event that comes back is of the contract, every error has a known code and never `internal`; closes are
    1008; a correct question is answered on the same connection, or the next."""
    rng = random.Random(seed)
    sent = 0
    while sent < 1000:
        async with tab(system) as fuzzed:
            with suppress(websockets.ConnectionClosed):
                for _ in range(rng.randrange(1, 60)):
                    await fuzzed.socket.send(noise(rng))
                    sent += 1
                await fuzzed.settled()
                if rng.random() < 0.1:
                    await still_answers(fuzzed, id=f"s{sent}")
            assert fuzzed.socket.close_code in {None, 1008, 4408}
            codes = {event["code"] for event in fuzzed.events if event["type"] == "error"}
            assert codes <= set(ErrorCode) - {"internal", "unavailable"}
            kinds = {event["type"] for event in fuzzed.events}
            assert kinds <= {"welcome", "accepted", "chunk", "end", "resumed", "pong", "error"}
    async with tab(system, user="bob") as again:
        await still_answers(again)
