"""What every `Embedder` must do."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager

import pytest

from chatserver.models.openai_compatible import OpenAICompatibleEmbedder
from retrieval.embedders.minilm import MiniLmEmbedder
from retrieval.embedders.wordllama import WordLlamaEmbedder
from retrieval.errors import InvalidText
from retrieval.ports import Embedder
from tests.models.openai_server import openai_server


@asynccontextmanager
async def openai_compatible() -> AsyncIterator[Embedder]:
    """The official SDK against a server of our own over HTTP, whose vectors are made of hashes."""
    async with (
        openai_server() as server,
        aclosing(OpenAICompatibleEmbedder("e", server.dimension, api_key="sk-1", base_url=server.url)) as embedder,
    ):
        yield embedder


EMBEDDERS: dict[str, Callable[[], AbstractAsyncContextManager[Embedder]]] = {
    "wordllama": lambda: aclosing(WordLlamaEmbedder()),
    "minilm": lambda: aclosing(MiniLmEmbedder()),
    "openai": openai_compatible,
}


@pytest.fixture(params=EMBEDDERS)
async def embedder(request: pytest.FixtureRequest) -> AsyncIterator[Embedder]:
    async with EMBEDDERS[request.param]() as embedder:
        yield embedder


async def test_vectors_are_plain_finite_floats_of_the_dimension(embedder: Embedder) -> None:
    """One vector for each text, in order, of plain floats that are finite and not all zero."""
    vectors = await embedder.embed(["The pump runs dry.", "De pomp loopt droog.", "\0", "\u200b", "日本"])
    assert len(vectors) == 5
    for vector in vectors:
        assert len(vector) == embedder.dimension
        assert all(type(value) is float and math.isfinite(value) for value in vector)
        assert any(vector)


async def test_a_text_has_one_vector_in_whatever_batch(embedder: Embedder) -> None:
    """The other texts of a batch, and their lengths, change nothing."""
    text = "The condenser fan is blocked."
    (alone,) = await embedder.embed([text])
    together = await embedder.embed(["x " * 500, *["filler"] * 300, text])
    assert together[-1] == pytest.approx(alone, abs=1e-6)


async def test_nothing_to_embed_is_no_error(embedder: Embedder) -> None:
    """An empty batch gives no vectors."""
    assert await embedder.embed([]) == []


@pytest.mark.parametrize("text", ["", " \n\t", "\ud800"])
async def test_bad_text_is_refused(embedder: Embedder, text: str) -> None:
    """A blank text or one that is not Unicode fails the whole batch with a code."""
    with pytest.raises(InvalidText) as caught:
        await embedder.embed(["fine", text])
    assert caught.value.code == "invalid_text"


async def test_many_callers_at_once_are_served(embedder: Embedder) -> None:
    """Concurrent calls, the first of which loads the model, agree."""
    vectors = await asyncio.gather(*(embedder.embed(["same text"]) for _ in range(20)))
    assert all(vector == vectors[0] for vector in vectors)
