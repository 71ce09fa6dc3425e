"""What makes vectors of texts: the local embedder, or a server's behind its guard and the caches."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from chatserver.embeddings.cached import CachedEmbedder
from chatserver.embeddings.file_cache import FileCache
from chatserver.embeddings.port import CacheUnavailable, VectorCache
from chatserver.embeddings.redis_cache import RedisCache
from chatserver.guards.retrieval import GuardedEmbedder
from chatserver.settings import Settings
from chatserver.wiring.upstreams import Upstreams
from retrieval.embedders.minilm import MiniLmEmbedder
from retrieval.embedders.wordllama import WordLlamaEmbedder
from retrieval.ports import Embedder

log = structlog.get_logger(__name__)

LOCAL: dict[str, type[WordLlamaEmbedder] | type[MiniLmEmbedder]] = {
    "wordllama": WordLlamaEmbedder,
    "minilm": MiniLmEmbedder,
}


@asynccontextmanager
async def open_embedder(settings: Settings, upstreams: Upstreams) -> AsyncIterator[Embedder]:
    async with AsyncExitStack() as stack:
        if settings.embeddings.is_local:
            local = LOCAL[settings.embeddings.name]()
            stack.push_async_callback(local.aclose)
            yield local
            return
        from chatserver.models.openai_compatible import OpenAICompatibleEmbedder  # the SDK takes a second to import

        key, url = settings.model.api_key, settings.model.base_url
        remote = OpenAICompatibleEmbedder(
            settings.embeddings.name,
            settings.embeddings.dimension,
            api_key=key.get_secret_value() if key else None,
            base_url=url,
            organization=settings.model.organization,
        )
        stack.push_async_callback(remote.aclose)
        guarded = GuardedEmbedder(remote, upstreams.embeddings, upstreams.limits)
        yield CachedEmbedder(guarded, await _open_caches(settings, stack), upstreams.watch)


async def reach_cache(settings: Settings) -> str:
    """Where vectors of the server's embedding model are kept, in a line for a person. Raises `CacheUnavailable`."""
    if settings.embeddings.is_local:
        return f"not needed: {settings.embeddings.name} computes here"
    if not settings.embeddings.cache_days:
        return "switched off by CHATSERVER_EMBEDDING_CACHE_DAYS=0"
    if (url := settings.embeddings.cache_redis_url or settings.redis.url) is None:
        return "in the data directory"
    return f"{await RedisCache.reach(url.get_secret_value())}, then in the data directory"


async def _open_caches(settings: Settings, stack: AsyncExitStack) -> list[VectorCache]:
    """Redis when one is set, then the file; none when vectors are not to be kept."""
    keep_s = settings.embeddings.cache_days * 86_400
    caches: list[VectorCache] = []
    if not keep_s:
        return caches
    if (url := settings.embeddings.cache_redis_url or settings.redis.url) is not None:
        caches.append(await RedisCache.open(url.get_secret_value(), keep_s=keep_s))
        stack.push_async_callback(caches[-1].aclose)
    try:
        caches.append(await FileCache.open(settings.storage.data_dir / "embeddings.db", keep_s=keep_s))
        stack.push_async_callback(caches[-1].aclose)
    except CacheUnavailable as error:
        log.warning("embedding cache cannot be opened", error=str(error))
    return caches
