"""The cache in Redis, shared by all nodes."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Self

from chatserver.embeddings.packing import pack, unpack
from chatserver.embeddings.port import CacheUnavailable, Key
from chatserver.redis.address import Address, Argument
from chatserver.redis.errors import RedisUnavailable
from chatserver.redis.shards import Shards
from retrieval.types import Vector

_PREFIX = "chatserver:vector:"
_PATIENCE_S = 1.0
"""A Redis that is silent for so long has its connection dropped; until then each call waits for `call_s` at most."""


class RedisCache:
    """`await RedisCache.open(url)`. It opens whether Redis is there or not, and connects again by itself; while there
    is no connection every call fails at once."""

    name = "redis"

    def __init__(self, shards: Shards, keep_s: float, call_s: float) -> None:
        self._shards = shards
        self._call_s = call_s
        self._keep_ms = max(1, int(keep_s * 1_000))

    @classmethod
    async def open(cls, url: str, *, keep_s: float, call_s: float = 0.25) -> Self:
        shards = Shards(Address.parse(url), patience_s=_PATIENCE_S, report=False)
        await shards.open(required=False)
        return cls(shards, keep_s, call_s)

    @classmethod
    async def reach(cls, url: str) -> str:
        """Which Redis it is, and what it does when it is full. Raises `CacheUnavailable`."""
        shards = Shards(Address.parse(url), patience_s=_PATIENCE_S, report=False)
        try:
            await shards.open()
            info = (await next(iter(shards.masters.values())).call("INFO", "everything")).decode()
        except RedisUnavailable as error:
            raise CacheUnavailable(str(error)) from error
        finally:
            await shards.aclose()
        told = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
        return f"Redis {told['redis_version']}, maxmemory-policy {told.get('maxmemory_policy', 'unknown')}"

    async def get(self, keys: Sequence[Key]) -> dict[Key, Vector]:
        # All leave in one write; one command for all of them would need them in one slot of a cluster.
        replies = await self._all(*(("GET", _PREFIX + key) for key in keys))
        pairs = zip(keys, replies, strict=True)
        return {key: vector for key, packed in pairs if packed and (vector := unpack(packed)) is not None}

    async def put(self, vectors: Mapping[Key, Vector]) -> None:
        await self._all(*(("SET", _PREFIX + key, pack(vector), "PX", self._keep_ms) for key, vector in vectors.items()))

    async def clear(self) -> None:
        try:
            async for key in self._shards.keys_like(f"{_PREFIX}*"):
                await self._shards.call("UNLINK", key)
        except RedisUnavailable as error:
            raise CacheUnavailable(str(error) or "Redis is silent") from error

    async def aclose(self) -> None:
        await self._shards.aclose()

    async def _all(self, *commands: tuple[Argument, ...]) -> list[Any]:
        try:
            async with asyncio.timeout(self._call_s):
                return await asyncio.gather(*(self._shards.call(*command) for command in commands))
        except (RedisUnavailable, TimeoutError) as error:
            raise CacheUnavailable(str(error) or "Redis is silent") from error
