"""Answers as streams over HTTP: plain events with a place, and the AI SDK's default transport, on a real server."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from chatserver.protocol.codes import CloseCode
from tests.delivery.served import POLICY, System, served
from tests.eventually import eventually

WORDS = 12


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[System]:
    async with served(tmp_path, log="memory") as system:
        yield system


@asynccontextmanager
async def client(system: System, *, user: str | None = "ada") -> AsyncIterator[httpx.AsyncClient]:
    headers = {"X-User": user} if user else {}
    async with httpx.AsyncClient(base_url=f"http://{system.address}", headers=headers, timeout=30) as http:
        yield http


def chat(text: str, *, id: str = "c1", message: str = "m1", **fields: Any) -> dict[str, Any]:
    parts = [{"type": "text", "text": text}]
    return {"id": id, "messages": [{"id": message, "role": "user", "parts": parts}], **fields}


def blocks(text: str) -> list[dict[str, str]]:
    """Server-sent events as their fields."""
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in text.split("\n\n") if block]


def entries(text: str) -> list[dict[str, Any]]:
    return [
        json.loads(block["data"]) for block in blocks(text) if "event" not in block and block.get("data") != "[DONE]"
    ]


async def asked(http: httpx.AsyncClient, text: str = str(WORDS), **fields: Any) -> str:
    """The answer's id, once it was told whole."""
    response = await http.post("/api/chat", json=chat(text, **fields))
    assert response.status_code == 200, response.text
    return response.headers["x-chatserver-answer"]


async def test_a_message_is_answered_as_a_stream_of_its_entries(system: System) -> None:
    """The AI SDK's headers, every entry in order, then `[DONE]`."""
    async with client(system) as http:
        response = await http.post("/api/chat", json=chat(str(WORDS)))
    assert response.headers["x-vercel-ai-ui-message-stream"] == "v1"
    assert response.headers["content-type"].startswith("text/event-stream")
    told = entries(response.text)
    assert response.text.endswith("data: [DONE]\n\n")
    assert told[0] == {"type": "start", "messageId": response.headers["x-chatserver-answer"]}
    assert "".join(entry.get("delta", "") for entry in told) == "".join(f"w{n} " for n in range(WORDS))
    assert told[-1]["type"] == "finish"


async def test_a_stream_goes_on_after_every_place(system: System) -> None:
    """With `Last-Event-ID` come the entries after it and none before it; who has all is not to come again."""
    async with client(system) as http:
        answer = await asked(http)
        path = f"/v1/answers/{answer}/events"
        whole = blocks((await http.get(path)).text)
        assert whole[-1]["event"] == "end"
        assert json.loads(whole[-1]["data"])["state"] == "completed"
        for cut in range(len(whole) - 2):
            rest = await http.get(path, headers={"Last-Event-ID": whole[cut]["id"]})
            assert blocks(rest.text) == whole[cut + 1 :]
        assert (await http.get(path, headers={"Last-Event-ID": whole[-2]["id"]})).status_code == 204


@pytest.mark.parametrize("place", ["other:3", "nonsense", "{epoch}:999", "{epoch}:-1", "{epoch}:", "", "{epoch}:²"])
async def test_a_place_that_is_not_there_is_void(system: System, place: str) -> None:
    """It is said so before everything comes from the start."""
    async with client(system) as http:
        answer = await asked(http)
        path = f"/v1/answers/{answer}/events"
        whole = blocks((await http.get(path)).text)
        epoch = whole[0]["id"].partition(":")[0]
        told = await http.get(path, headers=[(b"Last-Event-ID", place.format(epoch=epoch).encode("latin-1"))])
        assert blocks(told.text) == [{"event": "snapshot", "data": "{}"}, *whole]


async def test_a_client_that_leaves_stops_nothing(system: System) -> None:
    """The answer goes on, and the stream tells it from the start to whoever comes back."""
    async with client(system) as http:
        async with http.stream("POST", "/api/chat", json=chat(f"held {WORDS}")) as response:
            system.pipeline.release(3)
            answer = response.headers["x-chatserver-answer"]
            await anext(response.aiter_text())
        await eventually(lambda: len(system.connections) == 0)
        async with http.stream("GET", "/api/chat/c1/stream") as again:
            assert again.headers["x-chatserver-answer"] == answer
            system.pipeline.release(1000)
            told = entries("".join([text async for text in again.aiter_text()]))
        assert [entry["type"] for entry in told].count("text-delta") == WORDS
        assert (await system.sealed(answer)).state == "completed"


async def test_a_stop_keeps_what_was_said(system: System) -> None:
    """Whoever reads is told the end; a stop of a chat without an answer is none."""
    async with client(system) as http:
        async with http.stream("POST", "/api/chat", json=chat(f"held {WORDS}")) as response:
            system.pipeline.release(8)
            texts = response.aiter_text()
            told = await anext(texts)
            while '"w0 ' not in told:
                told += await anext(texts)
            assert (await http.delete("/api/chat/c1/stream")).status_code == 204
            told += "".join([text async for text in texts])
        assert entries(told)[-1]["type"] == "abort"
        assert (await http.delete("/api/chat/c2/stream")).status_code == 204


async def test_what_is_not_active_has_no_stream(system: System) -> None:
    """204 for a chat without an answer, for another user's, and once the answer was acknowledged to its end."""
    async with client(system) as http, client(system, user="eve") as other:
        answer = await asked(http)
        meta = await system.sealed(answer)
        assert (await http.get("/api/chat/c2/stream")).status_code == 204
        assert (await other.get("/api/chat/c1/stream")).status_code == 204
        assert (await http.get("/api/chat/c1/stream")).status_code == 200
        await system.answers.acknowledge("ada", answer, meta.head - 1)
        assert (await http.get("/api/chat/c1/stream")).status_code == 204
        assert (await other.get(f"/v1/answers/{answer}/events")).json()["code"] == "unknown_answer"


async def test_a_chat_as_messages(system: System) -> None:
    """Questions and answers in order, sources and citations with them; an answer under way is left to the stream."""
    async with client(system) as http:
        answer = await asked(http)
        async with http.stream("POST", "/api/chat", json=chat("held 2", message="m2")):
            messages = (await http.get("/api/chat/c1")).json()["messages"]
            system.pipeline.release(1000)
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    parts = messages[1]["parts"]
    assert messages[1]["id"] == answer
    assert [part["type"] for part in parts] == ["step-start", "data-decision", "source-document", "step-start", "text"]
    assert parts[-1]["text"].startswith("w0 w1 ")
    assert parts[-1]["citations"][0]["citedText"] == "wrd"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("{", 400, "invalid_json"),
        ("[]", 400, "invalid_json"),
        (json.dumps(chat(" ")), 422, "empty_question"),
        (json.dumps(chat("x" * 16_001)), 422, "question_too_long"),
        (json.dumps({"id": "c1", "messages": []}), 422, "invalid_field"),
        (json.dumps(chat("1", filter={"$bad": 1})), 422, "invalid_filter"),
        (json.dumps(chat("1", provider_key="k")), 403, "provider_key_refused"),
        ("x" * (12 * 256 * 1024 + 1), 413, "message_too_large"),
    ],
)
async def test_a_faulty_message_is_a_problem(system: System, body: str, status: int, code: str) -> None:
    """With a status and a code, before anything is asked."""
    async with client(system) as http:
        response = await http.post("/api/chat", content=body)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["content-type"] == "application/problem+json"


async def test_nobody_is_told_nothing(system: System) -> None:
    """401 at each door."""
    async with client(system, user=None) as http:
        told = [
            await http.post("/api/chat", json=chat("1")),
            await http.get("/api/chat/c1"),
            await http.get("/api/chat/c1/stream"),
            await http.delete("/api/chat/c1/stream"),
            await http.get("/v1/answers/a1/events"),
        ]
    assert [response.json()["code"] for response in told] == ["unauthenticated"] * 5


async def test_a_restart_is_told_in_each_ones_own_way(system: System) -> None:
    """Plain events are told when to come again, and end; a UI message stream, which has no word for it, breaks off.
    What is asked then is refused with a time."""
    async with client(system) as http:

        async def read(path: str) -> str:
            told = ""
            try:
                async with http.stream("GET", path) as response:
                    async for text in response.aiter_text():
                        told += text
            except httpx.RemoteProtocolError:
                return f"{told}BROKEN"
            return told

        async with http.stream("POST", "/api/chat", json=chat("held 5")) as response:
            system.pipeline.release(4)
            answer = response.headers["x-chatserver-answer"]
        async with asyncio.TaskGroup() as group:
            plain = group.create_task(read(f"/v1/answers/{answer}/events"))
            stream = group.create_task(read("/api/chat/c1/stream"))
            await eventually(lambda: len(system.connections) == 2)
            system.connections.drain()
            refused = await http.post("/api/chat", json=chat("1", message="m9"))
            await system.connections.close_all(CloseCode.RESTART, "restart")
    assert "retry: " in plain.result()
    assert not plain.result().endswith("BROKEN")
    assert stream.result().endswith("BROKEN")
    assert (refused.status_code, refused.json()["code"]) == (503, "draining")
    assert int(refused.headers["retry-after"]) >= 1


async def test_a_reader_that_has_stopped_is_dropped(tmp_path: Path) -> None:
    """It costs its place in the log, and after `stall_s` its connection; the answer goes on."""
    policy = type(POLICY)(POLICY.limits, server="test", stall_s=1.0)
    async with served(tmp_path, log="memory", policy=policy) as system, client(system) as http:
        request = http.build_request("POST", "/api/chat", json=chat("4000 x 4000"))
        response = await http.send(request, stream=True)
        await eventually(lambda: len(system.connections) == 0)
        await response.aclose()
        assert (await system.sealed(response.headers["x-chatserver-answer"])).state == "completed"


@pytest.mark.parametrize("door", ["/api/chat", "/v1/chat/completions"])
async def test_what_a_dropped_reader_has_does_not_end_like_the_whole(system: System, door: str) -> None:
    """It reads on in the moment in which it is dropped: the response breaks off."""
    body = {"model": "chatserver", "stream": True, "messages": [{"role": "user", "content": "4000 x 4000"}]}
    async with client(system) as http:
        request = http.build_request("POST", door, json=chat("4000 x 4000") if door == "/api/chat" else body)
        response = await http.send(request, stream=True)
        (connection,) = system.connections._connections.values()
        await eventually(lambda: connection._is_sending)
        connection.drop_slow()
        with pytest.raises(httpx.TransportError):
            async for _ in response.aiter_raw():
                pass
        await response.aclose()
