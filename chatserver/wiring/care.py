"""Backup, restore, erasure and the check of files, for an installation with these settings."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from chatserver.care.backup import back_up, restore
from chatserver.care.erasure import Erased, erase
from chatserver.care.integrity import faults
from chatserver.care.manifest import Backup
from chatserver.embeddings.file_cache import FileCache
from chatserver.embeddings.port import VectorCache
from chatserver.embeddings.redis_cache import RedisCache
from chatserver.ingest.ledger_sqlite import SqliteLedger
from chatserver.ingest.spool import Spool
from chatserver.settings import Settings
from chatserver.wiring.answers import open_answers

_STOP_S = 10.0
_CACHE_CALL_S = 10.0


def back_up_data(settings: Settings, target: Path) -> Backup:
    """Raises `CareError`."""
    return back_up(settings.storage.data_dir, target, elsewhere=kept_elsewhere(settings))


def restore_data(source: Path, directory: Path) -> Backup:
    """Raises `CareError`."""
    return restore(source, directory)


def kept_elsewhere(settings: Settings) -> list[str]:
    """What the data directory does not hold, and whose own tools save it."""
    told = []
    if settings.redis.url is not None:
        told.append("answers, chats and jobs' logs are on Redis: save it by its own means (RDB or AOF)")
    if settings.pinecone.api_key is not None:
        told.append("vectors are on Pinecone: `chatserver migrate` copies them there again, or Pinecone's own backups")
    if settings.neo4j.uri is not None:
        told.append("graph and records are in Neo4j: save it with neo4j-admin")
    return told


def file_faults(directory: Path) -> list[str]:
    """What is wrong with the files of the data directory. Raises `NewerData`."""
    return [fault for path in sorted(directory.glob("*.db")) for fault in faults(path)]


async def erase_user(settings: Settings, user: str) -> Erased:
    """Raises `LogUnavailable`, `RetrievalError`, OSError."""
    directory = settings.storage.data_dir
    async with AsyncExitStack() as stack:
        answers = await open_answers(settings)
        stack.push_async_callback(answers.aclose)
        ledger = await SqliteLedger.open(directory / "ledger.db")
        stack.push_async_callback(ledger.aclose)
        caches = await _caches(settings, stack)
        patience_s = _STOP_S + 2 * settings.generation.lease_s
        return await erase(user, answers, Spool(directory / "spool"), ledger, caches, patience_s=patience_s)


async def _caches(settings: Settings, stack: AsyncExitStack) -> Sequence[VectorCache]:
    """Those that may hold something, whether they are in use now or not."""
    caches: list[VectorCache] = []
    if (path := settings.storage.data_dir / "embeddings.db").exists():
        caches.append(await FileCache.open(path, keep_s=0))
    if (url := settings.embeddings.cache_redis_url or settings.redis.url) is not None:
        caches.append(await RedisCache.open(url.get_secret_value(), keep_s=1, call_s=_CACHE_CALL_S))
    for cache in caches:
        stack.push_async_callback(cache.aclose)
    return caches
