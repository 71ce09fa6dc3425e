"""The cache in Redis, shared by all nodes."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Self

from chatserver.embeddings.packing import pack, unpack
from chatserver.embeddings.port import CacheUnavailable, Key
from chatserver.redis.address import Address
from chatserver.redis.errors import RedisUnavailable
from chatserver.redis.link import RedisLink
from retrieval.types import Vector

_PREFIX = "chatserver:vector:"
_PATIENCE_S = 1.0
"""A Redis that is silent for so long has its connection dropped; until then each call waits for `call_s` at most."""


class RedisCache:
    """`await RedisCache.open(url)`. It opens whether Redis is there or not, and connects again by itself; while there
    is no connection every call fails at once."""

    name = "redis"

    def __init__(self, link: RedisLink, keep_s: float, call_s: float) -> None:
        self._link = link
        self._call_s = call_s
        self._keep_ms = max(1, int(keep_s * 1_000))

    @classmethod
    async def open(cls, url: str, *, keep_s: float, call_s: float = 0.25) -> Self:
        link = RedisLink(Address.parse(url), patience_s=_PATIENCE_S, report=False)
        await link.open(required=False)
        return cls(link, keep_s, call_s)

    async def get(self, keys: Sequence[Key]) -> dict[Key, Vector]:
        if not keys:
            return {}
        try:
            async with asyncio.timeout(self._call_s):
                found = await self._link.call("MGET", *(_PREFIX + key for key in keys))
        except (RedisUnavailable, TimeoutError) as error:
            raise CacheUnavailable(str(error) or "Redis is silent") from error
        pairs = zip(keys, found, strict=True)
        return {key: vector for key, packed in pairs if packed and (vector := unpack(packed)) is not None}

    async def put(self, vectors: Mapping[Key, Vector]) -> None:
        try:
            async with asyncio.timeout(self._call_s), asyncio.TaskGroup() as group:
                for key, vector in vectors.items():  # all leave in one write
                    group.create_task(self._link.call("SET", _PREFIX + key, pack(vector), "PX", self._keep_ms))
        except* (RedisUnavailable, TimeoutError) as errors:
            raise CacheUnavailable(str(errors.exceptions[0]) or "Redis is silent") from None

    async def aclose(self) -> None:
        await self._link.aclose()
