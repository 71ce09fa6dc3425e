"""The keys that tokens are checked with: secrets of our own, or the key set of whoever logs users in."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import jwt
import structlog

from chatserver.access.identity import KeysUnavailable

log = structlog.get_logger(__name__)

ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
"""Of key sets: public keys alone. A shared secret in a published set would be everybody's."""


@dataclass(frozen=True, slots=True)
class Key:
    """`algorithm` is the only one that it is used with."""

    id: str | None
    algorithm: str
    verifying: Any = field(repr=False)
    signing: Any = field(default=None, repr=False)


class KeySource(Protocol):
    async def keys(self, id: str | None) -> Sequence[Key]:
        """The key with that id; without an id all of them. Raises `KeysUnavailable`."""


class Secrets:
    """Shared secrets (HS256). The first signs, all verify: a new one is put in front and the old one taken away when
    its last token has expired."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._keys = tuple(_secret_key(secret) for secret in secrets)

    @property
    def signing(self) -> Key:
        return self._keys[0]

    async def keys(self, id: str | None) -> Sequence[Key]:
        return [key for key in self._keys if id is None or key.id == id]


def _secret_key(secret: str) -> Key:
    """Its id tells keys apart and says nothing of the secret."""
    id = hashlib.sha256(b"chatserver key id\0" + secret.encode()).hexdigest()[:8]
    return Key(id, "HS256", secret, secret)


class AllKeys:
    """Those of several sources."""

    def __init__(self, sources: Sequence[KeySource]) -> None:
        self._sources = sources

    async def keys(self, id: str | None) -> Sequence[Key]:
        found: list[Key] = []
        away: KeysUnavailable | None = None
        for source in self._sources:
            try:
                found += await source.keys(id)
            except KeysUnavailable as error:
                away = error
        if away is not None and not found:
            raise away
        return found


class KeySet:
    """A JSON Web Key Set (RFC 7517) that `fetch` reads. It is read anew after `fresh_s`, and when a token names a key
    that it does not have, but not more often than every `pause_s`: tokens are anybody's to make up. A set that can't
    be read keeps the keys of the last time."""

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Mapping[str, Any]]],
        *,
        fresh_s: float = 300.0,
        pause_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._fresh_s = fresh_s
        self._pause_s = pause_s
        self._clock = clock
        self._keys: tuple[Key, ...] = ()
        self._one_read = asyncio.Lock()
        self._read_at = self._tried_at = -float("inf")

    async def keys(self, id: str | None) -> Sequence[Key]:
        async with self._one_read:
            if self._is_due(id):
                await self._read()
        if not self._keys:
            raise KeysUnavailable("the key set can't be read")
        return [key for key in self._keys if id is None or key.id in {id, None}]

    def _is_due(self, id: str | None) -> bool:
        now = self._clock()
        is_known = id is None or any(key.id == id for key in self._keys)
        return now - self._tried_at >= self._pause_s and (now - self._read_at >= self._fresh_s or not is_known)

    async def _read(self) -> None:
        self._tried_at = self._clock()
        try:
            self._keys = _key_set(await self._fetch())
            self._read_at = self._clock()
        except (OSError, ValueError, jwt.PyJWTError) as error:
            log.warning("key set not read", reason=f"{type(error).__name__}: {error}", keys=len(self._keys))


def _key_set(document: Mapping[str, Any]) -> tuple[Key, ...]:
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise ValueError("a key set has a list of `keys`")
    found = []
    for entry in entries:
        try:
            key = jwt.PyJWK(entry)
        except jwt.PyJWTError:
            continue  # of a kind that is not for us, as RFC 7517 asks for
        if key.algorithm_name in ALGORITHMS and entry.get("use", "sig") == "sig":
            found.append(Key(key.key_id, key.algorithm_name, key.key))
    return tuple(found)
