"""Where passages' vectors are kept."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import structlog

from chatserver.guards.retrieval import GuardedVectorStore
from chatserver.settings import Settings
from chatserver.wiring.upstreams import Upstreams
from retrieval.embedded.database import Database
from retrieval.embedded.vectors import SqliteVectorStore
from retrieval.errors import EmbedderChanged, Permanent, RetrievalError
from retrieval.ports import VectorStore
from retrieval.types import Space

log = structlog.get_logger(__name__)


class _Remote(VectorStore, Protocol):
    """A store on another machine."""

    async def open(self) -> int: ...

    async def counts(self, namespaces: Sequence[str]) -> Mapping[str, int]: ...

    async def aclose(self) -> None: ...


@asynccontextmanager
async def open_vectors(
    settings: Settings, database: Database, space: Space, upstreams: Upstreams
) -> AsyncIterator[VectorStore]:
    """On Pinecone when a key is set, else in the data directory. A Pinecone that can't be used now stops nothing: its
    leg of a search fails, which the answer says, until it can. Raises `EmbedderChanged` when the vectors that there
    are are another embedder's."""
    if settings.pinecone.api_key is None:
        yield await SqliteVectorStore.open(database, space)
        return
    store = _pinecone(settings, space)
    try:
        try:
            log.info("pinecone_opened", vectors=await store.open())
        except EmbedderChanged:
            raise
        except RetrievalError as error:
            log.error("pinecone_unusable", code=error.code, reason=str(error))
        yield GuardedVectorStore(store, upstreams.vectors, upstreams.limits)
    finally:
        await store.aclose()


def unguarded_space(settings: Settings, space: Space) -> str:
    """What content hashes must tell apart: ingesting the same files after a change of the embedder makes their vectors
    for another index of Pinecone's."""
    return space.name if settings.pinecone.api_key is not None else ""


async def reach_vectors(settings: Settings, space: Space, namespaces: Sequence[str]) -> Mapping[str, int]:
    """How many vectors each namespace has on Pinecone. Raises `RetrievalError`."""
    store = _pinecone(settings, space)
    try:
        return await store.counts(namespaces)
    finally:
        await store.aclose()


def _pinecone(settings: Settings, space: Space) -> _Remote:
    try:
        from retrieval.pinecone import PineconeAddress, PineconeVectors  # the SDK takes more than a second to import
    except ModuleNotFoundError as error:
        raise Permanent(f"PINECONE_API_KEY needs the extra chatserver[pinecone]: there is no {error.name}") from error
    pinecone = settings.pinecone
    assert pinecone.api_key is not None
    address = PineconeAddress(
        pinecone.api_key.get_secret_value(),
        name=pinecone.index_name,
        host=pinecone.host,
        create=(pinecone.cloud, pinecone.region) if pinecone.create else None,
        controller=pinecone.controller,
    )
    return PineconeVectors(
        address,
        space.dimension,
        embedder=space.name,
        mode=pinecone.mode,
        concurrency=pinecone.concurrency,
        timeout_s=pinecone.timeout_s,
    )
