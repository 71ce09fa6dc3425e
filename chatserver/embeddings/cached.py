"""An embedder that asks its caches first.

Theory of operation
    The texts of a call become keys, each once. A key that another call is fetching is waited for; the others are
    this call's to fetch: in one round trip from the first cache, what that lacks from the second, and the rest from
    the embedder in one call. What was found further down is put into the caches above. A fetch that fails fails all
    who wait for it; one that is cancelled is taken over by one of them.

    A cache that can't be asked is passed by: one line in the log when it goes, one when it is back.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import structlog

from chatserver.embeddings.port import CacheUnavailable, Key, VectorCache, key_of
from chatserver.guards.watch import Watch
from retrieval.embedders.checks import check_texts
from retrieval.ports import Embedder
from retrieval.types import Vector

log = structlog.get_logger(__name__)

MODEL = "model"
"""The source of a vector that was computed for this call."""


@dataclass(frozen=True, slots=True)
class Sourced:
    """A vector, and where it came from: a cache's name or `MODEL`."""

    vector: Vector
    source: str


_Flight: TypeAlias = "asyncio.Future[Sourced | None]"
"""None: who fetched was cancelled."""


class CachedEmbedder:
    """An `Embedder` over another one; the caches in the order in which they are asked. Closing them is the caller's."""

    def __init__(self, embedder: Embedder, caches: Sequence[VectorCache], watch: Watch) -> None:
        self.name = embedder.name
        self.dimension = embedder.dimension
        self._embedder = embedder
        self._caches = [_Tier(cache, watch) for cache in caches]
        self._watch = watch
        self._flights: dict[Key, _Flight] = {}

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        return [sourced.vector for sourced in await self.embed_sourced(texts)]

    async def embed_sourced(self, texts: Sequence[str]) -> list[Sourced]:
        """The vectors with their sources; raises what `embed` raises."""
        check_texts(texts)
        by_key = {key_of(self.name, text): text for text in texts}
        found: dict[Key, Sourced] = {}
        while missing := [key for key in by_key if key not in found]:
            own = [key for key in missing if key not in self._flights]
            others = {key: self._flights[key] for key in missing if key in self._flights}
            if own:
                found |= await self._lead({key: by_key[key] for key in own})
            found |= await _follow(others)
        return [found[key_of(self.name, text)] for text in texts]

    async def _lead(self, texts: Mapping[Key, str]) -> dict[Key, Sourced]:
        loop = asyncio.get_running_loop()
        flights: dict[Key, _Flight] = {key: loop.create_future() for key in texts}
        self._flights |= flights
        found: dict[Key, Sourced] = {}
        failure: Exception | None = None
        try:
            found = await self._fetch(texts)
        except Exception as error:
            failure = error
            raise
        finally:
            for key, flight in flights.items():
                del self._flights[key]
                if failure is not None:
                    flight.set_exception(failure)
                    flight.exception()  # whether somebody waits or not
                else:
                    flight.set_result(found.get(key))
        return found

    async def _fetch(self, texts: Mapping[Key, str]) -> dict[Key, Sourced]:
        found: dict[Key, Sourced] = {}
        lacking: list[tuple[_Tier, list[Key]]] = []
        for tier in self._caches:
            missing = [key for key in texts if key not in found]
            if not missing:
                break
            vectors = await tier.get(missing, self.dimension)
            found |= {key: Sourced(vector, tier.name) for key, vector in vectors.items()}
            lacking.append((tier, [key for key in missing if key not in vectors]))
            self._tell(tier.name, len(vectors))
        missing = [key for key in texts if key not in found]
        if missing:
            computed = await self._embedder.embed([texts[key] for key in missing])
            found |= {key: Sourced(vector, MODEL) for key, vector in zip(missing, computed, strict=True)}
            self._tell(MODEL, len(missing))
        for tier, keys in lacking:
            await tier.put({key: found[key].vector for key in keys})
        return found

    def _tell(self, source: str, texts: int) -> None:
        if texts:
            self._watch.embedded(source, texts)


async def _follow(flights: Mapping[Key, _Flight]) -> dict[Key, Sourced]:
    """What others have fetched; keys whose fetch was cancelled are left out."""
    ended = {key: await asyncio.shield(flight) for key, flight in flights.items()}
    return {key: sourced for key, sourced in ended.items() if sourced is not None}


class _Tier:
    """A cache that is passed by while it can't be asked."""

    def __init__(self, cache: VectorCache, watch: Watch) -> None:
        self.name = cache.name
        self._watch = watch
        self._cache = cache
        self._lost = False
        watch.cache_changed(self.name, here=True)

    async def get(self, keys: Sequence[Key], dimension: int) -> dict[Key, Vector]:
        try:
            found = await self._cache.get(keys)
        except CacheUnavailable as error:
            self._gone(error)
            return {}
        self._here()
        return {key: vector for key, vector in found.items() if len(vector) == dimension}

    async def put(self, vectors: Mapping[Key, Vector]) -> None:
        if not vectors or self._lost:
            return
        try:
            await self._cache.put(vectors)
        except CacheUnavailable as error:
            self._gone(error)

    def _gone(self, error: CacheUnavailable) -> None:
        if not self._lost:
            log.warning("embedding cache lost", cache=self.name, error=str(error))
            self._watch.cache_changed(self.name, here=False)
        self._lost = True

    def _here(self) -> None:
        if self._lost:
            log.info("embedding cache back", cache=self.name)
            self._watch.cache_changed(self.name, here=True)
        self._lost = False
