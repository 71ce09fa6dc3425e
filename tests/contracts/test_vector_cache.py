"""What every `VectorCache` must do."""

import asyncio
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatserver.embeddings.file_cache import FileCache
from chatserver.embeddings.packing import pack, unpack
from chatserver.embeddings.port import VectorCache, key_of
from chatserver.embeddings.redis_cache import RedisCache
from tests.contracts.redis_server import standalone_redis

Opened: TypeAlias = Callable[[float], Awaitable[VectorCache]]

A, B, C = (key_of("space", text) for text in "abc")


@pytest.fixture(params=["redis", "file"])
async def opened(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opened]:
    """Opens the cache, for vectors that are kept for so many seconds."""
    caches: list[VectorCache] = []

    async def open_(keep_s: float) -> VectorCache:
        if request.param == "redis":
            caches.append(await RedisCache.open(f"{standalone_redis().url}?db=900", keep_s=keep_s, call_s=30))
        else:
            caches.append(await FileCache.open(tmp_path / "embeddings.db", keep_s=keep_s))
        return caches[-1]

    if request.param == "redis":
        standalone_redis().says("-n", "900", "FLUSHDB")
    yield open_
    for cache in caches:
        await cache.aclose()


async def test_what_was_put_comes_back_exactly(opened: Opened) -> None:
    """In float32, bit by bit, by any process; what was never put is absent."""
    vector = list(array("f", [0.1, -2.5e-7, 3e20, 0.0]))
    await (await opened(60)).put({A: vector, B: [1.0]})
    assert await (await opened(60)).get([A, B, C]) == {A: vector, B: [1.0]}


async def test_nothing_asked_is_nothing_found(opened: Opened) -> None:
    """Neither an empty lookup nor an empty put is an error."""
    cache = await opened(60)
    await cache.put({})
    assert await cache.get([]) == {}


async def test_a_later_vector_replaces(opened: Opened) -> None:
    """A key has one vector."""
    cache = await opened(60)
    await cache.put({A: [1.0]})
    await cache.put({A: [2.0]})
    assert await cache.get([A]) == {A: [2.0]}


async def test_a_cleared_cache_has_nothing(opened: Opened) -> None:
    """However many there were, also those that another process has put; it can be filled again."""
    cache = await opened(60)
    many = {key_of("space", f"text {number}"): [float(number)] for number in range(1, 1200)}
    await cache.put(many)
    await (await opened(60)).clear()
    assert await cache.get(list(many)) == {}
    await cache.put({A: [1.0]})
    assert await cache.get([A]) == {A: [1.0]}


async def test_vectors_go_when_their_time_is_up(opened: Opened) -> None:
    """What was kept for a second is absent later."""
    cache = await opened(1)
    await cache.put({A: [1.0]})

    async def gone() -> None:
        while await cache.get([A]):  # noqa: ASYNC110 - another process forgets it
            await asyncio.sleep(0.05)

    await asyncio.wait_for(gone(), 30)


async def test_thousands_at_once(opened: Opened) -> None:
    """A batch may be as large as an ingest's."""
    cache = await opened(60)
    vectors = {key_of("space", str(n)): [float(n)] for n in range(2_000)}
    await cache.put(vectors)
    assert await cache.get(list(vectors)) == vectors


async def test_damage_is_absence(tmp_path: Path) -> None:
    """A value that was cut short or changed is not taken for a vector."""
    url = f"{standalone_redis().url}?db=901"
    cache = await RedisCache.open(url, keep_s=60, call_s=30)
    await cache.put({A: [1.0, 2.0], B: [3.0]})
    standalone_redis().says("-n", "901", "SETRANGE", f"chatserver:vector:{A}", "6", "x")
    assert await cache.get([A, B]) == {B: [3.0]}
    await cache.aclose()


async def test_a_file_forgets_when_it_is_opened(tmp_path: Path) -> None:
    """What is past its time takes no room for ever."""
    path, now = tmp_path / "embeddings.db", 1000.0
    cache = await FileCache.open(path, keep_s=10, now=lambda: now)
    await cache.put({A: [1.0]})
    await cache.aclose()
    now = 1011
    cache = await FileCache.open(path, keep_s=10, now=lambda: now)
    now = 1000
    assert await cache.get([A]) == {}
    await cache.aclose()


async def test_keys_in_redis_tell_nothing_of_the_text() -> None:
    """A key is a hash, and ends by itself."""
    url = f"{standalone_redis().url}?db=902"
    standalone_redis().says("-n", "902", "FLUSHDB")
    cache = await RedisCache.open(url, keep_s=60, call_s=30)
    await cache.put({key_of("space", "a secret text"): [1.0]})
    key = standalone_redis().says("-n", "902", "KEYS", "*")
    assert key.startswith("chatserver:vector:")
    assert len(key.rpartition(":")[2]) == 64
    assert 0 < int(standalone_redis().says("-n", "902", "TTL", key)) <= 60
    await cache.aclose()


async def test_many_keys_are_one_round_trip() -> None:
    """However many: Redis reads from the connection a few times, not once for each key."""
    url = f"{standalone_redis().url}?db=903"
    cache = await RedisCache.open(url, keep_s=60, call_s=30)

    def reads() -> int:
        lines = standalone_redis().says("INFO", "stats").splitlines()
        return sum(int(line.partition(":")[2]) for line in lines if line.startswith("total_reads_processed"))

    before = reads()
    assert await cache.get([key_of("space", str(n)) for n in range(256)]) == {}
    assert reads() - before < 10  # redis-cli's own are among them; 256 keys are more than one buffer of Redis's
    await cache.aclose()


@given(st.binary(max_size=64))
def test_bytes_of_another_make_are_no_vector(data: bytes) -> None:
    """Anything that was not packed by us gives None, or what packs to the very same bytes."""
    vector = unpack(data)
    assert vector is None or pack(vector) == data
