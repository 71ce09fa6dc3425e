"""The adapter with the real SDK against `OpenAIServer`: a small real HTTP server of our own on a loopback port, which
speaks as much of chat completions as these tests need, and misbehaves on demand."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from chatserver.models.openai_compatible import Limits, OpenAICompatibleModel
from chatserver.models.port import (
    Context,
    Message,
    Model,
    ModelError,
    ModelPart,
    ModelRequest,
    NoticePart,
    TextPart,
    UsagePart,
)
from tests.models.openai_server import HELLO, Answer, OpenAIServer, event, refusing, streaming

pytestmark = pytest.mark.asyncio(loop_scope="module")

REQUEST = ModelRequest("hi", "en", Context(), (Message("system", "Be short."), Message("user", "hi")))


@asynccontextmanager
async def model_of(
    server: OpenAIServer, limits: Limits | None = None, key: str | None = None
) -> AsyncIterator[OpenAICompatibleModel]:
    model = OpenAICompatibleModel("m", api_key=key, base_url=server.url, limits=limits or Limits())
    try:
        yield model
    finally:
        await model.aclose()


async def outcome(model: Model) -> tuple[list[ModelPart], ModelError | None]:
    parts: list[ModelPart] = []
    try:
        async for part in model.stream(REQUEST):
            parts.append(part)  # noqa: PERF401 (what came before the error counts)
    except ModelError as error:
        return parts, error
    return parts, None


async def ask(server: OpenAIServer, limits: Limits | None = None) -> tuple[list[ModelPart], ModelError | None]:
    async with model_of(server, limits) as model:
        return await outcome(model)


async def test_an_answer_streams_with_its_usage(server: OpenAIServer) -> None:
    """Text comes in the server's pieces, then the usage that was asked for."""
    async with model_of(server, key="sk-1") as model:
        assert await outcome(model) == ([TextPart("Hel"), TextPart("lo"), UsagePart(7, 2)], None)
    ((body, authorization),) = server.asked
    assert body["messages"] == [{"role": "system", "content": "Be short."}, {"role": "user", "content": "hi"}]
    assert (body["model"], body["stream"], body["stream_options"]) == ("m", True, {"include_usage": True})
    assert authorization == "Bearer sk-1"


async def test_the_organisation_is_told(server: OpenAIServer) -> None:
    """With the server's own key; with an asker's, whose organisation is another, none is."""
    model = OpenAICompatibleModel("m", api_key="sk-1", base_url=server.url, organization="org-1")
    async for _ in model.stream(REQUEST):
        pass
    async for _ in model.stream(replace(REQUEST, provider_key="sk-2")):
        pass
    await model.aclose()
    assert [(key, org) for (_, key), org in zip(server.asked, server.organizations, strict=True)] == [
        ("Bearer sk-1", "org-1"),
        ("Bearer sk-2", None),
    ]


async def test_a_local_server_needs_no_key(server: OpenAIServer) -> None:
    """A base URL alone is enough."""
    assert (await ask(server))[1] is None


@pytest.mark.parametrize(
    ("answer", "code", "temporary", "retry_after_s"),
    [
        (refusing(401), "model_unauthorized", False, None),
        (refusing(403), "model_unauthorized", False, None),
        (refusing(429, "7"), "model_rate_limited", True, 7.0),
        (refusing(429, "Wed, 21 Oct 2015 07:28:00 GMT"), "model_rate_limited", True, 0.0),
        (refusing(429, "soon"), "model_rate_limited", True, None),
        (refusing(429, code="insufficient_quota"), "model_rate_limited", False, None),
        (refusing(500), "model_unavailable", True, None),
        (refusing(503, "2"), "model_unavailable", True, 2.0),
        (refusing(400), "model_rejected", False, None),
        (refusing(404), "model_rejected", False, None),
    ],
)
async def test_a_refusal_is_typed(
    server: OpenAIServer, answer: Answer, code: str, temporary: bool, retry_after_s: float | None
) -> None:
    """Each status becomes a code that says what happened and whether trying again may help, asked only once."""
    server.answer = answer
    parts, error = await ask(server)
    assert parts == []
    assert error is not None
    assert (error.code, error.temporary, error.retry_after_s) == (code, temporary, retry_after_s)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "broken",
    [
        streaming(HELLO[1], "data: {not json\n\n"),
        streaming(HELLO[1]),
        streaming(HELLO[1], 'data: {"error": {"message": "overloaded"}}\n\n'),
    ],
    ids=["malformed chunk", "no end", "error event"],
)
async def test_a_broken_stream_keeps_what_was_said(server: OpenAIServer, broken: Answer) -> None:
    """A stream that breaks gives what came before, then a temporary error."""
    server.answer = broken
    parts, error = await ask(server)
    assert parts == [TextPart("Hel")]
    assert error is not None
    assert (error.code, error.temporary) == ("model_stream_broken", True)


async def test_a_connection_cut_in_the_middle_is_a_broken_stream() -> None:
    """A server that dies mid-stream, without ending its chunked body, is told as such."""

    async def die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        data = HELLO[1].encode()
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        writer.write(head + f"{len(data):x}\r\n".encode() + data + b"\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    listener = await asyncio.start_server(die, "127.0.0.1", 0)
    async with listener:
        parts, error = await ask(OpenAIServer(f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"))
    assert parts == [TextPart("Hel")]
    assert error is not None
    assert error.code == "model_stream_broken"


async def test_nobody_listening_is_unavailable() -> None:
    """A server that can't be reached is a temporary error."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        parts, error = await ask(OpenAIServer(f"http://127.0.0.1:{unused.getsockname()[1]}/v1"))
    assert parts == []
    assert error is not None
    assert (error.code, error.temporary) == ("model_unavailable", True)


@pytest.mark.parametrize("said", [0, 2])
async def test_silence_is_a_timeout(server: OpenAIServer, said: int) -> None:
    """Neither the first token nor a later one is waited for longer than its limit, and the connection is closed."""
    server.answer = server.stalling(*HELLO[1 : 1 + said])
    async with model_of(server, Limits(first_token_s=3.0, between_tokens_s=1.0)) as model:
        parts, error = await outcome(model)
        await asyncio.wait_for(server.closed.wait(), 30)
    assert len(parts) == said
    assert error is not None
    assert (error.code, error.temporary) == ("model_timeout", True)


@pytest.mark.parametrize("how", ["cancel", "close"])
async def test_stopping_closes_the_connection(server: OpenAIServer, how: str) -> None:
    """Cancelling the reader, or closing the iterator, ends the call at the server too."""
    server.answer = server.stalling(HELLO[1])
    async with model_of(server) as model:
        stream = model.stream(REQUEST)
        assert await anext(stream) == TextPart("Hel")
        if how == "cancel":
            task = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await stream.aclose()
        await asyncio.wait_for(server.closed.wait(), 30)


@pytest.mark.parametrize(("reason", "code"), [("length", "model_truncated"), ("content_filter", "model_filtered")])
async def test_an_answer_cut_short_is_noticed(server: OpenAIServer, reason: str, code: str) -> None:
    """The reader is told when the model stopped for another reason than being done."""
    server.answer = streaming(HELLO[1], event({}, finish=reason))
    parts, error = await ask(server)
    assert error is None
    assert [part.code for part in parts if isinstance(part, NoticePart)] == [code]


async def test_connections_are_reused(server: OpenAIServer) -> None:
    """Two answers after one another go over one connection."""
    async with model_of(server) as model:
        for _ in range(3):
            assert (await outcome(model))[1] is None
    assert len(server.connections) == 1


@pytest.mark.slow
async def test_an_answer_of_half_a_minute(server: OpenAIServer) -> None:
    """A slow first token and a long answer are waited for: what counts is each silence, not the sum."""

    async def answer(request: Request) -> Response:
        async def body() -> AsyncIterator[str]:
            await asyncio.sleep(8)
            for _ in range(48):
                yield HELLO[1]
                await asyncio.sleep(0.5)
            for line in HELLO[3:]:
                yield line

        return StreamingResponse(body(), media_type="text/event-stream")

    server.answer = answer
    parts, error = await ask(server, Limits(first_token_s=30, between_tokens_s=15))
    assert error is None
    assert parts == [TextPart("Hel")] * 48 + [UsagePart(7, 2)]


async def test_a_slow_first_token_is_waited_for(server: OpenAIServer) -> None:
    """It has a limit of its own, longer than that between two tokens."""

    async def answer(request: Request) -> Response:
        await asyncio.sleep(1.2)
        return await streaming(*HELLO)(request)

    server.answer = answer
    parts, error = await ask(server, Limits(first_token_s=30, between_tokens_s=1.0))
    assert error is None
    assert parts[0] == TextPart("Hel")
