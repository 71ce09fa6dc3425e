"""The server as a model of the OpenAI API, through the real `openai` SDK against a real server."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from langchain_openai import ChatOpenAI
from openai import AsyncOpenAI
from pydantic import SecretStr

from chatserver.answers.meta import AnswerMeta, NewAnswer
from chatserver.answers.states import AnswerState
from chatserver.protocol import chunks
from chatserver.protocol.codes import CloseCode
from chatserver.protocol.completions import CompletionStream
from chatserver.protocol.events import chunk_frames
from tests.delivery.served import System, served
from tests.eventually import eventually

WORDS = 12
TEXT = "".join(f"w{n} " for n in range(WORDS))


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[System]:
    async with served(tmp_path, log="memory") as system:
        yield system


@pytest.fixture
async def client(system: System) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        base_url=f"http://{system.address}/v1", api_key="none", default_headers={"X-User": "ada"}, max_retries=0
    ) as client:
        yield client


def asking(text: str = str(WORDS), **options: Any) -> dict[str, Any]:
    return {"model": "chatserver", "messages": [{"role": "user", "content": text}], **options}


async def test_it_is_among_the_models(client: AsyncOpenAI) -> None:
    """Under the name that questions have to use."""
    assert [model.id async for model in client.models.list()] == ["chatserver"]


async def test_a_completion_is_the_whole_answer(system: System, client: AsyncOpenAI) -> None:
    """Its text, with citations in the standard annotations, whose URL is one of this server."""
    told = await client.chat.completions.create(**asking())
    message = told.choices[0].message
    assert (message.content, told.choices[0].finish_reason) == (TEXT, "stop")
    assert message.annotations is not None
    (cited,) = message.annotations
    assert (cited.url_citation.start_index, cited.url_citation.end_index, cited.url_citation.title) == (0, 3, "P1")
    assert cited.url_citation.url == f"http://{system.address}/v1/passages/p1"
    assert (await system.sealed(told.id.removeprefix("chatcmpl-"))).state == "completed"


async def test_a_stream_is_the_same_in_pieces(client: AsyncOpenAI) -> None:
    """Role first, then the text as it comes, then its annotations and the reason of the end."""
    pieces = [piece async for piece in await client.chat.completions.create(**asking(stream=True))]
    deltas = [piece.choices[0].delta for piece in pieces]
    assert deltas[0].role == "assistant"
    assert "".join(delta.content or "" for delta in deltas) == TEXT
    cited = [delta.model_extra["annotations"] for delta in deltas if delta.model_extra]
    assert cited[0][0]["url_citation"]["title"] == "P1"
    assert [piece.choices[0].finish_reason for piece in pieces][-2:] == [None, "stop"]
    assert len({piece.id for piece in pieces}) == 1


async def test_langchains_chat_model_speaks_to_it(system: System) -> None:
    """`ChatOpenAI`, with its address and the model's name alone: asked, streamed, and with a conversation."""
    model = ChatOpenAI(
        base_url=f"http://{system.address}/v1",
        api_key=SecretStr("none"),
        model="chatserver",
        default_headers={"X-User": "ada"},
        max_retries=0,
    )
    whole = await model.ainvoke(str(WORDS))
    assert (whole.text, whole.response_metadata["finish_reason"]) == (TEXT, "stop")
    pieces = [piece.text async for piece in model.astream(str(WORDS))]
    assert "".join(pieces) == TEXT
    assert len(pieces) > 3
    earlier = [("system", "Be brief."), ("user", "1"), ("assistant", "w0 "), ("user", "2")]
    told = await model.ainvoke(earlier)
    meta = await system.sealed(str(told.response_metadata["id"]).removeprefix("chatcmpl-"))
    assert (meta.question.text, meta.question.options) == ("2", {"$history": [["1", "w0 "]]})


async def test_the_messages_before_the_question_are_its_history(system: System, client: AsyncOpenAI) -> None:
    """And a conversation is one chat, named by its first message or by `metadata.chat`."""
    earlier = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "1"}]},
        {"role": "assistant", "content": "w0 "},
        {"role": "user", "content": "2"},
    ]
    first = await client.chat.completions.create(**asking("1"))
    second = await client.chat.completions.create(**{**asking(), "messages": earlier})
    named = await client.chat.completions.create(**asking("1", metadata={"chat": "mine"}))
    metas = [await system.sealed(told.id.removeprefix("chatcmpl-")) for told in (first, second, named)]
    assert metas[0].question.chat == metas[1].question.chat
    assert metas[2].question.chat == "mine"
    assert [meta.question.options for meta in metas[:2]] == [{"$history": []}, {"$history": [["1", "w0 "]]}]


async def test_a_client_that_leaves_stops_nothing_unless_it_says_so(system: System, client: AsyncOpenAI) -> None:
    """The header opts out; without it the answer is finished, streamed or not."""

    async def leave(**headers: str) -> str:
        stream = await client.chat.completions.create(**asking(f"held {WORDS}", stream=True), extra_headers=headers)
        system.pipeline.release(8)
        async for piece in stream:
            if piece.choices[0].delta.content:
                break
        await stream.close()
        await eventually(lambda: len(system.connections) == 0)
        system.pipeline.release(1000)
        return str((await system.sealed(piece.id.removeprefix("chatcmpl-"))).state)

    assert await leave() == "completed"
    system.pipeline.take_back()
    assert await leave(**{"X-Cancel-On-Disconnect": "true"}) == "stopped"


async def test_the_same_key_is_the_same_question(system: System, client: AsyncOpenAI) -> None:
    """A stream that was cut is read again from its start, and nothing is asked twice."""
    headers = {"Idempotency-Key": "k1"}
    stream = await client.chat.completions.create(**asking(stream=True), extra_headers=headers)
    first = await anext(aiter(stream))
    await stream.close()
    again = await client.chat.completions.create(**asking(), extra_headers=headers)
    assert (again.id, again.choices[0].message.content) == (first.id, TEXT)
    assert len(await system.answers.chats("ada", 10)) == 1


@pytest.mark.parametrize(
    ("fields", "error", "code"),
    [
        ({"model": "gpt-none"}, openai.NotFoundError, "model_not_found"),
        ({"messages": []}, openai.UnprocessableEntityError, "invalid_field"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, openai.UnprocessableEntityError, "invalid_field"),
        ({"messages": [{"role": "user", "content": " "}]}, openai.UnprocessableEntityError, "empty_question"),
        ({"n": 2}, openai.UnprocessableEntityError, "invalid_field"),
    ],
)
async def test_a_faulty_request_is_an_error_of_the_sdk(
    client: AsyncOpenAI, fields: dict[str, Any], error: type[openai.APIStatusError], code: str
) -> None:
    """With the code in its own place, and words for people."""
    with pytest.raises(error) as raised:
        await client.chat.completions.create(**{**asking(), **fields})
    assert raised.value.code == code
    assert raised.value.body["message"]  # type: ignore[index]


async def test_nobody_is_asked_to_authenticate(system: System) -> None:
    """As the SDK knows it."""
    async with AsyncOpenAI(base_url=f"http://{system.address}/v1", api_key="none", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError) as raised:
            await client.chat.completions.create(**asking())
    assert raised.value.code == "unauthenticated"


async def test_a_restart_is_an_error_and_not_an_end(system: System, client: AsyncOpenAI) -> None:
    """In a stream as in a whole completion; a question that comes then is refused with a time."""

    async def streamed() -> None:
        async for _ in await client.chat.completions.create(**asking("held 5", stream=True)):
            pass

    async with asyncio.TaskGroup() as group:
        asks = [group.create_task(_error(streamed()))]
        asks.append(group.create_task(_error(client.chat.completions.create(**asking("held 6")))))
        await eventually(lambda: len(system.connections) == 2)
        system.connections.drain()
        refused = await _error(client.chat.completions.create(**asking("held 7")))
        await system.connections.close_all(CloseCode.RESTART, "restart")
    assert [ask.result().code for ask in asks] == ["draining", "draining"]
    assert isinstance(refused, openai.InternalServerError)
    assert int(refused.response.headers["retry-after"]) >= 1


async def _error(call: Any) -> openai.APIError:
    with pytest.raises(openai.APIError) as raised:
        await call
    return raised.value


async def test_curl_reads_it(system: System) -> None:
    """Plain requests: the stream ends with `[DONE]`, a stopped answer keeps what it has said."""
    async with httpx.AsyncClient(base_url=f"http://{system.address}", headers={"X-User": "ada"}, timeout=30) as http:
        told = await http.post("/v1/chat/completions", json=asking(stream=True))
        assert told.text.endswith("data: [DONE]\n\n")
        asked = asyncio.create_task(http.post("/v1/chat/completions", json=asking("held 5")))
        await eventually(lambda: bool(system.generations.inflight()))
        system.pipeline.release(8)
        (running,) = system.generations.inflight()
        await eventually(lambda: system.pipeline.told >= WORDS + 10 + 8)
        await system.generations.stop("ada", running.answer)
        stopped = (await asked).json()["choices"][0]["message"]["content"]
        assert TEXT.startswith(stopped)


def told(*entries: dict[str, Any]) -> tuple[str, str]:
    """What a stream says of these entries: its text, and the code of its error."""
    new = NewAnswer("a1", "e1", "ada", "c1", "q1", "?", 1.0)
    meta = AnswerMeta(new, AnswerState.RUNNING, 1, None, 0, -1, False, 0.0)
    script = CompletionStream(meta, str, usage=False).script()
    frames = chunk_frames("a1", "e1", 0, [json.dumps(entry, separators=(",", ":")).encode() for entry in entries])
    said = "".join([*map(script.entry, frames), script.after(len(entries) - 1, AnswerState.COMPLETED)])
    values = [json.loads(line[6:]) for line in said.split("\n\n") if line.startswith("data: {")]
    text = "".join(value["choices"][0]["delta"].get("content", "") for value in values if "choices" in value)
    return text, next((value["error"]["code"] for value in values if "error" in value), "")


def step(*deltas: str) -> list[dict[str, Any]]:
    return [chunks.start_step(), chunks.text_start("t"), *(chunks.text_delta("t", delta) for delta in deltas)]


ENDED = [chunks.text_end("t"), chunks.finish_step(), chunks.finish()]


def test_a_step_that_is_told_again_is_not_said_twice() -> None:
    """However it is cut: what was said is held against what comes."""
    for again in (["Check ", "the pump."], ["C", "heck the", " pump."], ["Check the pump."]):
        assert told(*step("Check", " the"), chunks.reset_step(), *step(*again)[1:], *ENDED) == ("Check the pump.", "")
    twice = [*step("Check"), chunks.reset_step(), *step("Ch")[1:], chunks.reset_step(), *step("Check the")[1:], *ENDED]
    assert told(*twice) == ("Check the", "")


@pytest.mark.parametrize("again", [["Chec", "-up"], ["Look"], ["Che"]])
def test_a_step_that_is_told_differently_is_an_error(again: list[str]) -> None:
    """Two tellings are never spliced, a shorter one neither."""
    text, code = told(*step("Check"), chunks.reset_step(), *step(*again)[1:], *ENDED)
    assert "Check".startswith(text)
    assert code == "retold"


def test_an_answer_that_fails_is_an_error() -> None:
    """After the text so far."""
    assert told(*step("Check"), chunks.error("No.", "model_timeout")) == ("Check", "model_timeout")
