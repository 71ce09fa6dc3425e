import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from chatserver.embeddings.cached import MODEL, CachedEmbedder
from chatserver.embeddings.file_cache import FileCache
from chatserver.embeddings.port import VectorCache
from chatserver.embeddings.redis_cache import RedisCache
from chatserver.guards.watch import Counts
from retrieval.errors import InvalidText, Temporary
from retrieval.types import Vector
from tests.contracts.redis_server import RedisServer, redis_server
from tests.eventually import eventually


class Lengths:
    """An embedder that counts: the vector of a text is its length. `gate` holds its calls up."""

    name = "lengths"
    dimension = 1

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failing = False

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        self.calls.append(list(texts))
        await self.gate.wait()
        if self.failing:
            raise Temporary("down")
        return [[float(len(text))] for text in texts]


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
async def model() -> Lengths:
    return Lengths()


@pytest.fixture
async def file(tmp_path: Path) -> AsyncIterator[FileCache]:
    cache = await FileCache.open(tmp_path / "embeddings.db", keep_s=60)
    yield cache
    await cache.aclose()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as server:
        yield server


async def sources(embedder: CachedEmbedder, *texts: str) -> list[str]:
    sourced = await embedder.embed_sourced(texts)
    assert [one.vector for one in sourced] == [[float(len(text))] for text in texts]
    return [one.source for one in sourced]


async def answers_from(embedder: CachedEmbedder, source: str, text: str) -> None:
    async with asyncio.timeout(30):
        while await sources(embedder, text) != [source]:  # noqa: ASYNC110 - a connection is made in the background
            await asyncio.sleep(0.02)


async def test_a_text_is_computed_once(model: Lengths, file: FileCache, counts: Counts) -> None:
    """In one call for what is missing, each text once; every vector says where it came from, and so do the counts."""
    embedder = CachedEmbedder(model, [file], counts)
    assert await sources(embedder, "a", "bb", "a") == [MODEL, MODEL, MODEL]
    assert await sources(embedder, "bb", "ccc", "a") == ["file", MODEL, "file"]
    assert model.calls == [["a", "bb"], ["ccc"]]
    assert counts.vectors == {MODEL: 3, "file": 2}


async def test_a_bad_text_is_refused_before_anything_is_asked(model: Lengths, file: FileCache, counts: Counts) -> None:
    """The whole call fails, as the port says."""
    with pytest.raises(InvalidText):
        await CachedEmbedder(model, [file], counts).embed(["a", " "])
    assert model.calls == []
    assert await CachedEmbedder(model, [file], counts).embed([]) == []


async def test_callers_at_once_share_one_flight(model: Lengths, file: FileCache, counts: Counts) -> None:
    """A hundred callers for one text, and one for it and another: two calls of the model."""
    embedder = CachedEmbedder(model, [file], counts)
    model.gate.clear()
    tasks = [asyncio.create_task(embedder.embed(["same"])) for _ in range(100)]
    tasks.append(asyncio.create_task(embedder.embed(["other one", "same"])))
    await eventually(lambda: len(model.calls) == 2, within_s=30)
    model.gate.set()
    results = await asyncio.gather(*tasks)
    assert results == [[[4.0]]] * 100 + [[[9.0], [4.0]]]
    assert sorted(model.calls) == [["other one"], ["same"]]


async def test_a_failure_fails_all_who_wait_and_is_not_kept(model: Lengths, file: FileCache, counts: Counts) -> None:
    """Nobody asks on behalf of the others again; the next call does."""
    embedder = CachedEmbedder(model, [file], counts)
    model.gate.clear()
    model.failing = True
    tasks = [asyncio.create_task(embedder.embed(["same"])) for _ in range(10)]
    await eventually(lambda: model.calls, within_s=30)
    model.gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(result) for result in results} == {Temporary}
    assert len(model.calls) == 1
    model.failing = False
    assert await embedder.embed(["same"]) == [[4.0]]


async def test_who_waits_takes_over_from_one_who_leaves(model: Lengths, file: FileCache, counts: Counts) -> None:
    """The caller whose call it was is cancelled: another one asks, and all others get the vector."""
    embedder = CachedEmbedder(model, [file], counts)
    model.gate.clear()
    leader = asyncio.create_task(embedder.embed(["same"]))
    await eventually(lambda: model.calls, within_s=30)
    others = [asyncio.create_task(embedder.embed(["same"])) for _ in range(10)]
    await asyncio.sleep(0)
    others[0].cancel()
    leader.cancel()
    await eventually(lambda: len(model.calls) == 2, within_s=30)
    model.gate.set()
    results = await asyncio.gather(leader, *others, return_exceptions=True)
    assert [type(result) for result in results[:2]] == [asyncio.CancelledError] * 2
    assert results[2:] == [[[4.0]]] * 9
    assert len(model.calls) == 2


async def test_vectors_of_another_dimension_are_not_taken(model: Lengths, file: FileCache, counts: Counts) -> None:
    """A model that changed under its name does not mix two spaces."""
    await CachedEmbedder(model, [file], counts).embed(["a"])
    changed = Lengths()
    changed.dimension = 2
    assert (await CachedEmbedder(changed, [file], counts).embed_sourced(["a"]))[0].source == MODEL


async def test_redis_first_then_the_file(
    redis: RedisServer, model: Lengths, file: FileCache, counts: Counts, tmp_path: Path
) -> None:
    """What Redis has is not looked for in the file; what only the file has is put into Redis."""
    async with AsyncExitStack() as stack:
        cache = await RedisCache.open(redis.url, keep_s=60, call_s=10)
        stack.push_async_callback(cache.aclose)
        await CachedEmbedder(model, [file], counts).embed(["a"])
        embedder = CachedEmbedder(model, [cache, file], counts)
        assert await sources(embedder, "a") == ["file"]
        assert await sources(embedder, "a", "bb") == ["redis", MODEL]
        assert len(model.calls) == 2


async def test_redis_killed_and_revived(redis: RedisServer, model: Lengths, file: FileCache, counts: Counts) -> None:
    """While it is away the file answers and nobody fails; one line in the log when it goes and one when it is back."""
    async with AsyncExitStack() as stack:
        cache = await RedisCache.open(redis.url, keep_s=60, call_s=10)
        stack.push_async_callback(cache.aclose)
        embedder = CachedEmbedder(model, [cache, file], counts)
        await embedder.embed(["a"])
        with capture_logs() as lines:
            redis.kill()
            for _ in range(50):
                assert await sources(embedder, "a") == ["file"]
            assert await sources(embedder, "bb") == [MODEL]
            redis.start()
            await answers_from(embedder, "redis", "a")
        assert [line["event"] for line in lines] == ["embedding cache lost", "embedding cache back"]
        assert model.calls == [["a"], ["bb"]]


async def test_a_redis_that_was_never_there(tmp_path: Path, model: Lengths, file: FileCache, counts: Counts) -> None:
    """It is no reason not to start: the file answers, the log has one line, and Redis is used once it comes."""
    async with AsyncExitStack() as stack:
        cache: VectorCache = await RedisCache.open(f"unix://{tmp_path / 'redis.sock'}", keep_s=60, call_s=10)
        stack.push_async_callback(cache.aclose)
        embedder = CachedEmbedder(model, [cache, file], counts)
        with capture_logs() as lines:
            assert await sources(embedder, "a") == [MODEL]
            assert await sources(embedder, "a") == ["file"]
            assert [line["event"] for line in lines] == ["embedding cache lost"]
            with redis_server(tmp_path):
                await answers_from(embedder, "redis", "a")
        assert [line["event"] for line in lines][:2] == ["embedding cache lost", "embedding cache back"]


async def test_a_silent_redis_costs_a_moment(
    redis: RedisServer, model: Lengths, file: FileCache, counts: Counts
) -> None:
    """Stopped, not dead: a call waits for a quarter of a second at most, then goes on."""
    async with AsyncExitStack() as stack:
        cache = await RedisCache.open(redis.url, keep_s=60)
        stack.push_async_callback(cache.aclose)
        embedder = CachedEmbedder(model, [cache, file], counts)
        await embedder.embed(["a"])
        os.kill(redis.pid, signal.SIGSTOP)
        try:
            assert await asyncio.wait_for(sources(embedder, "a"), 30) == ["file"]
        finally:
            os.kill(redis.pid, signal.SIGCONT)
