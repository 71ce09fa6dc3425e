"""Every door as a reader of one answer: it asks, leaves where it is told to, and comes back as its protocol says."""

import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx
import websockets

from chatserver.protocol.chunks import Chunk, is_terminal

HEADERS = {"X-User": "ada"}
Told = AsyncGenerator[Chunk, None]


@dataclass
class Question:
    """Asked at `host` in a chat of its own, under one id; what a door needs to come back is kept in `place`."""

    host: str
    text: str
    id: str
    place: dict[str, Any] = field(default_factory=dict)

    @property
    def message(self) -> dict[str, Any]:
        parts = [{"type": "text", "text": self.text}]
        return {"id": self.id, "messages": [{"id": self.id, "role": "user", "parts": parts}]}


class Door(Protocol):
    def ask(self, question: Question) -> Told:
        """The answer's entries as they come; leaving it early leaves the connection."""

    def resume(self, question: Question, have: Sequence[Chunk]) -> Told:
        """What follows what it has, where the door has cursors, else everything from the start."""

    def reload(self, question: Question) -> Told:
        """Everything, to somebody who knows the chat and nothing else: a page that was loaded again."""

    @property
    def replays(self) -> bool: ...


class Broken(Exception):
    """A stream told that it ends before the answer does."""


class NothingLeft(Exception):
    """The chat has no answer that is still to be read."""


LOST = (Broken, OSError, httpx.TransportError, websockets.WebSocketException, EOFError)
"""Whatever way a client hears that the connection is gone."""


class Native:
    replays = False

    async def ask(self, question: Question) -> Told:
        ask = {"type": "ask", "id": question.id, "chat": question.id, "text": question.text}
        async with _socket(question, "/ws", ["chat.v1"]) as socket:
            async for chunk in self._told(socket, question, ask):
                yield chunk

    async def resume(self, question: Question, have: Sequence[Chunk]) -> Told:
        if not have:  # it may not even know whether it was heard: the same question again
            async for chunk in self.ask(question):
                yield chunk
            return
        cursor = {**question.place, "seq": len(have) - 1}
        async with _socket(question, "/ws", ["chat.v1"]) as socket:
            resume = {"type": "resume", "chat": question.id, "cursors": [cursor]}
            async for chunk in self._told(socket, question, resume):
                yield chunk

    async def reload(self, question: Question) -> Told:
        async with _socket(question, "/ws", ["chat.v1"]) as socket:
            async for chunk in self._told(socket, question, {"type": "resume", "chat": question.id}):
                yield chunk

    async def _told(self, socket: websockets.ClientConnection, question: Question, command: Mapping[str, Any]) -> Told:
        await socket.send(json.dumps(command))
        async for frame in socket:
            event = json.loads(frame)
            if event["type"] == "accepted":
                question.place.update(answer=event["answer"], epoch=event["epoch"])
            elif event["type"] == "chunk":
                yield event["chunk"]
            elif event["type"] == "end":
                return


class AiSdkSocket:
    replays = True

    async def ask(self, question: Question) -> Told:
        async for chunk in self._told(question, {"type": "send", "trigger": "submit-message", **question.message}):
            yield chunk

    async def resume(self, question: Question, have: Sequence[Chunk]) -> Told:
        if not have:
            async for chunk in self.ask(question):
                yield chunk
            return
        async for chunk in self.reload(question):
            yield chunk

    async def reload(self, question: Question) -> Told:
        async for chunk in self._told(question, {"type": "resume", "id": question.id}):
            yield chunk

    async def _told(self, question: Question, frame: Mapping[str, Any]) -> Told:
        async with _socket(question, "/ws/ai-sdk", None) as socket:
            await socket.send(json.dumps({"requestId": "r", "headers": {}, "body": {}, **frame}))
            sequence = 0
            async for told in socket:
                event = json.loads(told)
                if event["type"] == "chunk":
                    assert event["sequence"] == sequence
                    sequence += 1
                    yield event["chunk"]
                elif event["type"] == "end":
                    return
                elif event["type"] == "no-active":
                    raise NothingLeft
                else:
                    assert event["type"] == "start", event


class AiSdkStream:
    replays = True

    async def ask(self, question: Question) -> Told:
        async for event in _events(question, "POST", "/api/chat", json=question.message):
            yield event

    async def resume(self, question: Question, have: Sequence[Chunk]) -> Told:
        if not have:
            async for event in self.ask(question):
                yield event
            return
        async for event in self.reload(question):
            yield event

    async def reload(self, question: Question) -> Told:
        async for event in _events(question, "GET", f"/api/chat/{question.id}/stream"):
            yield event


class Events:
    """Asks at `/api/chat`, and reads at the answer's own door."""

    replays = False

    async def ask(self, question: Question) -> Told:
        async with _client(question) as http, http.stream("POST", "/api/chat", json=question.message) as response:
            question.place["answer"] = response.headers["x-chatserver-answer"]
        async for event in self.resume(question, ()):
            yield event

    async def resume(self, question: Question, have: Sequence[Chunk]) -> Told:
        if "answer" not in question.place:
            async for event in self.ask(question):
                yield event
            return
        headers = {"Last-Event-ID": question.place["id"]} if have else {}
        path = f"/v1/answers/{question.place['answer']}/events"
        async for event in _events(question, "GET", path, headers=headers):
            yield event

    async def reload(self, question: Question) -> Told:
        async with _client(question) as http:
            listed = await http.get(f"/v1/chats/{question.id}/answers", params={"undelivered": "true"})
        if not listed.json()["answers"]:
            raise NothingLeft
        (answer,) = listed.json()["answers"]
        async for event in _events(question, "GET", f"/v1/answers/{answer['answer']}/events"):
            yield event


class Completions:
    """The same request under the same key is the way to come back."""

    replays = True

    async def ask(self, question: Question) -> Told:
        body = {"model": "chatserver", "stream": True, "messages": [{"role": "user", "content": question.text}]}
        headers = {"Idempotency-Key": question.id}
        async for event in _events(question, "POST", "/v1/chat/completions", json=body, headers=headers):
            if "error" in event:
                assert event["error"]["code"] == "draining", event
                raise Broken
            (choice,) = event["choices"]
            yield (
                {"type": "finish"}
                if choice["finish_reason"]
                else {
                    "type": "text-delta",
                    "delta": choice["delta"].get("content", ""),
                }
            )

    async def resume(self, question: Question, have: Sequence[Chunk]) -> Told:
        async for event in self.ask(question):
            yield event

    async def reload(self, question: Question) -> Told:
        async for event in self.ask(question):
            yield event


DOORS: Mapping[str, Door] = {
    "chat.v1": Native(),
    "/ws/ai-sdk": AiSdkSocket(),
    "/api/chat": AiSdkStream(),
    "/v1/answers/events": Events(),
    "/v1/chat/completions": Completions(),
}


async def persistent(door: Door, question: Question, have: list[Chunk], come_back: Callable[[], None]) -> list[Chunk]:
    """All entries, however often the connection is lost; `come_back` is called before each new one. What there is at
    any time is in `have`."""
    told = door.ask(question)
    while True:
        with suppress(*LOST):
            async with aclosing(told):
                async for chunk in told:
                    have.append(chunk)  # noqa: PERF401 - what came before a loss is kept
        if have and is_terminal(have[-1]):
            return have
        come_back()
        told = door.resume(question, list(have))
        if door.replays:
            have.clear()


@asynccontextmanager
async def _client(question: Question) -> AsyncGenerator[httpx.AsyncClient, None]:
    async with httpx.AsyncClient(
        base_url=f"http://{question.host}", headers=HEADERS, timeout=30, trust_env=False
    ) as http:
        yield http


@asynccontextmanager
async def _socket(
    question: Question, path: str, subprotocols: Any
) -> AsyncGenerator[websockets.ClientConnection, None]:
    url = f"ws://{question.host}{path}"
    async with websockets.connect(
        url,
        subprotocols=subprotocols,
        additional_headers=HEADERS,
        compression=None,
        open_timeout=60,  # the machine may be busy
        close_timeout=0.1,
        proxy=None,
    ) as socket:
        yield socket


async def _events(question: Question, method: str, path: str, **options: Any) -> Told:
    """The data of plain server-sent events; the id of the last one that was taken is kept."""
    async with _client(question) as http, http.stream(method, path, **options) as response:
        if response.status_code == 204:
            raise NothingLeft
        assert response.status_code == 200, response.status_code
        fields: dict[str, str] = {}
        async for line in response.aiter_lines():
            name, _, value = line.partition(": ")
            if line:
                fields[name] = value
                continue
            told, fields = fields, {}
            if "event" in told or told.get("data", "[DONE]") == "[DONE]":
                continue
            question.place["id"] = told.get("id", "")
            yield json.loads(told["data"])
