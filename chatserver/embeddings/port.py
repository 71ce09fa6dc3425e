"""Where vectors are kept by the hash of their text. `tests/contracts` checks every implementation."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

from retrieval.types import Vector

Key: TypeAlias = str
"""64 hexadecimal digits: tells nothing of the text."""


class CacheUnavailable(Exception):
    """The cache can't be asked just now."""

    code = "cache_unavailable"


class VectorCache(Protocol):
    """Vectors come back in float32, so an embedder that computes in float32 gets exactly what it has put. What is
    kept is a copy of what can be computed again: losing it is no harm, and it goes when its time is up. Cancellation
    is passed on."""

    name: str
    """Says in metrics where a vector came from."""

    async def get(self, keys: Sequence[Key]) -> dict[Key, Vector]:
        """Those it has, in one round trip. Something unreadable counts as absent. Raises `CacheUnavailable`."""

    async def put(self, vectors: Mapping[Key, Vector]) -> None:
        """In one round trip; each vector is kept whole or not at all. Raises `CacheUnavailable`."""

    async def clear(self) -> None:
        """Lets go of all of them, so that nothing of them is left. Raises `CacheUnavailable`."""

    async def aclose(self) -> None: ...


def key_of(space: str, text: str) -> Key:
    """`space` is the name of the embedder."""
    return hashlib.sha256(f"{space}\0{text}".encode()).hexdigest()
