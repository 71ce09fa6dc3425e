"""The bounded buffer between a pipeline that tells entries and the append that commits them."""

import asyncio
from typing import TypeAlias

import orjson

from chatserver.protocol.chunks import Chunk

Entry: TypeAlias = tuple[Chunk, bytes]
"""A chunk and its JSON."""
BATCH_BYTES = 1 << 18
"""A log may read a batch as a whole to tell one entry of it."""


class EntryBuffer:
    """One producer, one consumer. A full buffer holds the producer up, and with it the model's stream."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: list[Entry] = []
        self._closed = False
        self._wanted = 1  # the consumer is woken once so many have gathered
        self._filled = asyncio.Event()
        self._taken = asyncio.Event()

    async def put(self, chunk: Chunk) -> None:
        """Raises `TypeError` for what can't be written as JSON: the producer's fault, so here and not at the append."""
        while not self.offer(chunk):
            self._taken.clear()
            await self._taken.wait()

    def offer(self, chunk: Chunk) -> bool:
        """`put` without a wait, which is also without its cost: False when there is no room. Raises `TypeError`."""
        if len(self._entries) >= self._limit:
            return False
        self._entries.append((chunk, orjson.dumps(chunk)))
        if len(self._entries) >= self._wanted:
            self._filled.set()
        return True

    def close(self) -> None:
        """Nothing more comes; `take` gives what is left, then empty batches."""
        self._closed = True
        self._filled.set()

    async def take(self, limit: int, *, linger_s: float) -> list[Entry]:
        """At least one entry, at most `limit` and, but for a single one, `BATCH_BYTES`, waiting up to `linger_s` after
        the first for more of them; empty at the end."""
        await self._wait_for(1)
        if linger_s > 0 and len(self._entries) < limit:
            try:
                async with asyncio.timeout(linger_s):
                    await self._wait_for(limit)
            except TimeoutError:
                pass
        count = self._fitting(limit)
        batch, self._entries = self._entries[:count], self._entries[count:]
        self._taken.set()
        return batch

    def _fitting(self, limit: int) -> int:
        size = 0
        for count, (_, entry) in enumerate(self._entries[:limit]):
            size += len(entry)
            if size > BATCH_BYTES and count:
                return count
        return limit

    async def _wait_for(self, count: int) -> None:
        self._wanted = min(count, self._limit)
        while len(self._entries) < self._wanted and not self._closed:
            self._filled.clear()
            await self._filled.wait()
