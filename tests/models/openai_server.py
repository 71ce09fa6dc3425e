"""`OpenAIServer`: a small real HTTP server of our own on a loopback port. It speaks as much of OpenAI's chat
completions and embeddings as these tests need, and misbehaves on demand; there is no model behind it."""

import asyncio
import base64
import hashlib
import json
import socket
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

Answer = Callable[[Request], Awaitable[Response]]


def event(delta: dict[str, Any] | None = None, finish: str | None = None, usage: dict[str, int] | None = None) -> str:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    chunk = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": choices}
    return f"data: {json.dumps(chunk | ({'usage': usage} if usage else {}))}\n\n"


HELLO = (
    event({"role": "assistant", "content": ""}),
    event({"content": "Hel"}),
    event({"content": "lo"}),
    event({}, finish="stop"),
    event(usage={"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}),
    "data: [DONE]\n\n",
)


def streaming(*events: str) -> Answer:
    async def answer(request: Request) -> Response:
        async def body() -> AsyncIterator[str]:
            for line in events:
                yield line

        return StreamingResponse(body(), media_type="text/event-stream")

    return answer


def completing(content: str | None, finish: str = "stop", refusal: str | None = None) -> Answer:
    """A completion that comes whole."""
    message = {"role": "assistant", "content": content, "refusal": refusal}
    body = {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": {"prompt_tokens": 40, "completion_tokens": 9, "total_tokens": 49},
    }

    async def answer(request: Request) -> Response:
        return JSONResponse(body)

    return answer


RETRIEVE = {"reason": "a question", "kind": "retrieve", "language": "en", "query": "", "queries": []}


def strict(schema: dict[str, Any]) -> bool:
    """Whether OpenAI takes it for a strict one: in every object all properties are required and no others allowed."""
    parts = [part for part in schema.values() if isinstance(part, dict)]
    parts += [one for part in schema.values() if isinstance(part, list) for one in part if isinstance(one, dict)]
    if schema.get("type") == "object":
        whole = sorted(schema["required"]) == sorted(schema["properties"])
        return schema.get("additionalProperties") is False and whole and all(map(strict, parts))
    return all(map(strict, parts))


def refusing(status: int, retry_after: str | None = None, code: str | None = None, message: str = "no") -> Answer:
    headers = None if retry_after is None else {"Retry-After": retry_after}

    async def answer(request: Request) -> Response:
        return JSONResponse({"error": {"message": message, "code": code}}, status, headers=headers)

    return answer


class OpenAIServer:
    """One `answer` for every completion, one `filling` for every form that is to be filled in by a strict schema,
    vectors for every embedding (of a text's hash, or what `embeds` makes) unless it is `refusing`; remembers what it
    was asked (`forms` apart) and over which connections, and whether a stalled stream was closed."""

    def __init__(self, url: str = "") -> None:
        self.url = url
        self.reset()

    def reset(self) -> None:
        self.answer: Answer = streaming(*HELLO)
        self.filling: Answer = completing(json.dumps(RETRIEVE))
        self.embeds: Callable[[str], list[float]] | None = None
        self.refusing: Answer | None = None
        self.asked: list[tuple[dict[str, Any], str]] = []
        self.forms: list[tuple[dict[str, Any], str]] = []
        self.organizations: list[str | None] = []
        self.connections: set[int] = set()
        self.under_way = self.most_under_way = 0
        self.latency_s = 0.0
        self.dimension = 8
        self.closed = asyncio.Event()

    async def complete(self, request: Request) -> Response:
        body: dict[str, Any] = await request.json()
        form = body.get("response_format")
        if form is None:
            await self._note(request)
            return await self.answer(request)
        self.forms.append((body, request.headers["authorization"]))
        named = form["json_schema"]
        if form["type"] != "json_schema" or named["strict"] is not True or not strict(named["schema"]):
            return await refusing(400, message="Invalid schema for response_format")(request)
        return await self.filling(request)

    async def embed(self, request: Request) -> Response:
        body = await self._note(request)
        if self.refusing is not None:
            return await self.refusing(request)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(self.latency_s)
        self.under_way -= 1
        data = [
            {"object": "embedding", "index": index, "embedding": _spelled(self.vector(text), body)}
            for index, text in enumerate(body["input"])
        ]
        data.reverse()  # the index tells the order, the list does not
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        return JSONResponse({"object": "list", "data": data, "model": body["model"], "usage": usage})

    def vector(self, text: str) -> list[float]:
        if self.embeds is not None:
            return self.embeds(text)
        digest = hashlib.sha512(text.encode()).digest()
        return list(array("f", [digest[n % 64] / 255 for n in range(self.dimension)]))

    async def _note(self, request: Request) -> dict[str, Any]:
        assert request.client is not None
        body: dict[str, Any] = await request.json()
        self.asked.append((body, request.headers["authorization"]))
        self.organizations.append(request.headers.get("openai-organization"))
        self.connections.add(request.client.port)
        return body

    def stalling(self, *events: str) -> Answer:
        async def answer(request: Request) -> Response:
            async def body() -> AsyncIterator[str]:
                for line in events:
                    yield line
                try:
                    await asyncio.Event().wait()
                finally:
                    self.closed.set()

            return StreamingResponse(body(), media_type="text/event-stream")

        return answer


def _spelled(vector: list[float], body: dict[str, Any]) -> list[float] | str:
    packed = body.get("encoding_format") == "base64"
    return base64.b64encode(array("f", vector).tobytes()).decode() if packed else vector


@asynccontextmanager
async def openai_server() -> AsyncIterator[OpenAIServer]:
    server = OpenAIServer()
    app = Starlette(
        routes=[
            Route("/v1/chat/completions", server.complete, methods=["POST"]),
            Route("/v1/embeddings", server.embed, methods=["POST"]),
        ]
    )
    config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    process = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # so that the first request waits rather than fails while the server starts
        server.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        task = asyncio.create_task(process._serve(sockets=[listener]))  # `serve` would take the signals
        yield server
        process.should_exit = True
        await task
