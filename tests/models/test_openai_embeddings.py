"""The embedder with the real SDK against `OpenAIServer`."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from chatserver.models.openai_compatible import OpenAICompatibleEmbedder
from retrieval.errors import DimensionMismatch, InvalidText, KeyRejected, Permanent, RetrievalError, Temporary
from tests.models.openai_server import Answer, OpenAIServer, openai_server, refusing


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with openai_server() as server:
        yield server


@pytest.fixture
async def embedder(server: OpenAIServer) -> AsyncIterator[OpenAICompatibleEmbedder]:
    embedder = OpenAICompatibleEmbedder("e", 8, api_key="sk-1", base_url=server.url, concurrency=4)
    yield embedder
    await embedder.aclose()


async def test_texts_become_vectors_in_their_order(server: OpenAIServer, embedder: OpenAICompatibleEmbedder) -> None:
    """Whatever the order in which the server lists them; in calls of 256 texts."""
    texts = [f"text {n}" for n in range(600)]
    vectors = await embedder.embed(texts)
    assert vectors == [server.vector(text) for text in texts]
    assert sorted(len(body["input"]) for body, _ in server.asked) == [88, 256, 256]
    assert {(body["model"], key) for body, key in server.asked} == {("e", "Bearer sk-1")}


@pytest.mark.parametrize("text", ["", " \n\t", "\ud800"])
async def test_bad_text_never_reaches_the_server(
    server: OpenAIServer, embedder: OpenAICompatibleEmbedder, text: str
) -> None:
    """It is an error before any call; nothing to embed is none, and no call either."""
    with pytest.raises(InvalidText):
        await embedder.embed(["fine", text])
    assert await embedder.embed([]) == []
    assert server.asked == []


async def test_connections_and_threads_stay_few(server: OpenAIServer, embedder: OpenAICompatibleEmbedder) -> None:
    """Two hundred callers at once: at most four calls under way, over four connections, and no thread more."""
    await embedder.embed(["first"])
    threads, server.latency_s = threading.active_count(), 0.001
    seen: list[int] = []

    async def ask(n: int) -> None:
        await embedder.embed([f"text {n}"])
        seen.append(threading.active_count())

    await asyncio.gather(*(ask(n) for n in range(200)))
    assert server.most_under_way <= 4
    assert len(server.connections) <= 4  # 98 % of the calls went over a connection that was there
    assert max(seen) <= threads


@pytest.mark.parametrize(
    ("answer", "kind", "retry_after_s"),
    [
        (refusing(401), KeyRejected, None),
        (refusing(400), Permanent, None),
        (refusing(429, "7"), Temporary, 7.0),
        (refusing(429, code="insufficient_quota"), Permanent, None),
        (refusing(503), Temporary, None),
    ],
)
async def test_a_refusal_is_typed(
    server: OpenAIServer,
    embedder: OpenAICompatibleEmbedder,
    answer: Answer,
    kind: type[RetrievalError],
    retry_after_s: float | None,
) -> None:
    """Temporary with the server's own wait, or permanent; asked only once, whoever tries again is outside."""
    server.refusing = answer
    with pytest.raises(kind) as caught:
        await embedder.embed(["text"])
    assert getattr(caught.value, "retry_after_s", None) == retry_after_s
    assert len(server.asked) == 1


async def test_vectors_of_another_dimension_are_an_error(
    server: OpenAIServer, embedder: OpenAICompatibleEmbedder
) -> None:
    """Before anything is stored."""
    server.dimension = 9
    with pytest.raises(DimensionMismatch):
        await embedder.embed(["text"])


async def test_a_server_that_is_gone_is_temporary() -> None:
    """Nobody listens: trying again may help."""
    async with openai_server() as server:
        url = server.url
    embedder = OpenAICompatibleEmbedder("e", 8, base_url=url)
    with pytest.raises(Temporary):
        await embedder.embed(["text"])
    await embedder.aclose()
