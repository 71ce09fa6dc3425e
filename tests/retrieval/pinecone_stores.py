"""A store on the tests' Pinecone, with one passage in it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from retrieval.pinecone import PineconeAddress, PineconeVectors
from retrieval.types import Hit
from tests.contracts.pinecone_server import KEY, PineconeServer

DIMENSION = 4
VECTOR = [1.0, 0.0, 0.0, 0.0]
GENEROUS_S = 30.0
Mode = Literal["shared", "isolated"]


@asynccontextmanager
async def opened(
    server: PineconeServer, *, mode: Mode = "shared", concurrency: int = 100, timeout_s: float = GENEROUS_S
) -> AsyncIterator[PineconeVectors]:
    """A store with one passage `a` in it."""
    address = PineconeAddress(KEY, host=server.url)
    store = PineconeVectors(address, DIMENSION, mode=mode, concurrency=concurrency, timeout_s=timeout_s)
    try:
        await store.upsert([("a", VECTOR, {"unit": 1})])
        yield store
    finally:
        await store.aclose()


async def ask(store: PineconeVectors) -> list[Hit]:
    return await store.search(VECTOR, top_k=3)


FOUND = [Hit("a", 1.0)]
