"""Quotas by the `limits` library: rates in sliding windows, in memory or, for all nodes together, on Redis."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias, TypeVar

import structlog
from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from chatserver.access.identity import Identity
from chatserver.access.quotas import ALL, Allowance, Exceeded, Places
from chatserver.protocol.codes import ErrorCode

log = structlog.get_logger(__name__)

Store: TypeAlias = MemoryStorage | RedisStorage
Value = TypeVar("Value")

MICROS: Final = 1_000_000
"""Money is counted in millionths: a store counts whole numbers."""
_DAY_S: Final = 86_400
_STORE_S: Final = 0.5
_PAUSE_S: Final = 5.0
"""How long a store that has failed is left alone."""
_FULL_S: Final = 5.0


class Limiting:
    """`Quotas`. `shared` is the store of all nodes; without it, and while it is away, each process counts by itself.
    Places are counted by each process in any case."""

    def __init__(
        self,
        allowance: Allowance,
        *,
        connections: int,
        requests: int,
        shared: RedisStorage | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._allowance = allowance
        self._connections = connections
        self._requests = requests
        self._shared = shared
        self._own = MemoryStorage()
        self._clock = clock
        self._away_until = 0.0
        self._sockets = Places()
        self._under_way = Places()

    @contextmanager
    def connection(self, identity: Identity) -> Iterator[None]:
        if self._sockets.taken[ALL] >= self._connections:
            raise Exceeded(ErrorCode.OVERLOADED, "The server has no place for another connection now.", _FULL_S)
        keys = self._keys(identity)
        for key, factor in keys.items():
            limit = self._allowance.connections
            if limit is not None and self._sockets.taken[key] >= limit * factor:
                raise Exceeded(ErrorCode.RATE_LIMITED, "Too many connections are open.", _FULL_S)
        with self._sockets.held(ALL, *keys):
            yield

    @contextmanager
    def place(self) -> Iterator[None]:
        if self._under_way.taken[ALL] >= self._requests:
            raise Exceeded(ErrorCode.OVERLOADED, "The server has no place for another request now.", 1.0)
        with self._under_way.held(ALL):
            yield

    async def request(self, identity: Identity) -> None:
        limit = self._allowance.requests_per_minute
        await self._take("requests", RateLimitItemPerMinute, limit, identity, "Too many requests in a minute.")

    async def question(self, identity: Identity) -> None:
        if self._allowance.spend_per_day is not None:
            await self._check_spending(identity.user, self._allowance.spend_per_day)
        limit = self._allowance.questions_per_minute
        await self._take("questions", RateLimitItemPerMinute, limit, identity, "Too many questions in a minute.")

    async def ingest(self, identity: Identity, size: int) -> None:
        limit = self._allowance.ingest_bytes_per_day
        await self._take("ingest", RateLimitItemPerDay, limit, identity, "Too much to ingest in a day.", size)

    async def spent(self, user: str, input_tokens: int, output_tokens: int) -> None:
        prices = self._allowance
        cost = (input_tokens * prices.input_price + output_tokens * prices.output_price) / 1e6
        if self._allowance.spend_per_day is not None and cost > 0:
            key = self._spending(user)
            await self._counted(lambda store: store.incr(key, 2 * _DAY_S, amount=round(cost * MICROS)))

    async def aclose(self) -> None:
        if self._shared is not None:
            bridge: Any = self._shared.bridge  # which tells a type checker nothing of the client that it holds
            await bridge.storage.aclose()

    async def _check_spending(self, user: str, ceiling: float) -> None:
        key = self._spending(user)
        if await self._counted(lambda store: store.get(key)) >= ceiling * MICROS:
            left_s = _DAY_S - self._clock() % _DAY_S
            raise Exceeded(ErrorCode.SPEND_EXCEEDED, "What answers may cost in a day is spent.", left_s)

    def _spending(self, user: str) -> str:
        """A day is one of UTC."""
        return f"CHATSERVER/spend/{user}/{int(self._clock() // _DAY_S)}"

    async def _take(
        self, what: str, per: type[RateLimitItem], limit: int | None, identity: Identity, message: str, cost: int = 1
    ) -> None:
        if limit is None:
            return
        for key, factor in self._keys(identity).items():
            item = per(limit * factor, namespace="CHATSERVER")
            if not await self._counted(lambda store, item=item, key=key: _hit(store, item, f"{what}/{key}", cost)):  # type: ignore[misc]
                wait_s = await self._counted(lambda store, item=item, key=key: _wait_s(store, item, f"{what}/{key}"))  # type: ignore[misc]
                raise Exceeded(ErrorCode.RATE_LIMITED, message, max(1.0, wait_s))

    def _keys(self, identity: Identity) -> dict[str, int]:
        """What is counted for this user, each with how many users' worth it may take."""
        keys = {f"user/{identity.user}": 1}
        if identity.address is not None:
            keys[f"address/{identity.address}"] = self._allowance.address
        return keys

    async def _counted(self, count: Callable[[Store], Awaitable[Value]]) -> Value:
        now = self._clock()
        if self._shared is not None and now >= self._away_until:
            try:
                async with asyncio.timeout(_STORE_S):
                    return await count(self._shared)
            except Exception as error:  # of whatever client the library has taken
                self._away_until = now + _PAUSE_S
                log.warning("quotas are counted by this process alone", reason=f"{type(error).__name__}: {error}")
        return await count(self._own)


async def _hit(store: Store, item: RateLimitItem, key: str, cost: int) -> bool:
    return await SlidingWindowCounterRateLimiter(store).hit(item, key, cost=cost)


async def _wait_s(store: Store, item: RateLimitItem, key: str) -> float:
    stats = await SlidingWindowCounterRateLimiter(store).get_window_stats(item, key)
    return stats.reset_time - time.time()


def shared_store(url: str) -> RedisStorage:
    """The store at a `redis://`, `rediss://` or `unix://` address. It connects when it is first asked."""
    address = url.replace("unix://", "redis+unix://", 1) if url.startswith("unix://") else url
    return RedisStorage(f"async+{address}", implementation="redispy", key_prefix="chatserver-quotas")
