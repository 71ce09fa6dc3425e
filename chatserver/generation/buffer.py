"""The bounded buffer between a pipeline that tells entries and the append that commits them."""

import asyncio

from chatserver.protocol.chunks import Chunk


class EntryBuffer:
    """One producer, one consumer. A full buffer holds the producer up, and with it the model's stream."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._chunks: list[Chunk] = []
        self._closed = False
        self._wanted = 1  # the consumer is woken once so many have gathered
        self._filled = asyncio.Event()
        self._taken = asyncio.Event()

    async def put(self, chunk: Chunk) -> None:
        while len(self._chunks) >= self._limit:
            self._taken.clear()
            await self._taken.wait()
        self._chunks.append(chunk)
        if len(self._chunks) >= self._wanted:
            self._filled.set()

    def close(self) -> None:
        """Nothing more comes; `take` gives what is left, then empty batches."""
        self._closed = True
        self._filled.set()

    async def take(self, limit: int, *, linger_s: float) -> list[Chunk]:
        """At least one entry, at most `limit`, waiting up to `linger_s` after the first for more of them; empty at
        the end."""
        await self._wait_for(1)
        if linger_s > 0 and len(self._chunks) < limit:
            try:
                async with asyncio.timeout(linger_s):
                    await self._wait_for(limit)
            except TimeoutError:
                pass
        batch, self._chunks = self._chunks[:limit], self._chunks[limit:]
        self._taken.set()
        return batch

    async def _wait_for(self, count: int) -> None:
        self._wanted = min(count, self._limit)
        while len(self._chunks) < self._wanted and not self._closed:
            self._filled.clear()
            await self._filled.wait()
