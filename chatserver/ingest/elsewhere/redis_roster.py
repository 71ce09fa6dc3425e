"""Who is there for the jobs of a Redis, told by each of itself: notes that fade unless they are renewed.

Theory of operation
    A sorted set holds each party's note, scored by Redis's own clock; so machines whose clocks differ agree on who is
    there. What says nothing for `FRESH_S` is gone. Notes are for people: no job is given or kept back by them.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Final, Self

import orjson
import structlog

from chatserver.ingest.attendance import Lack, Party, corpora_apart, lack_of, left_waiting
from chatserver.redis.address import Address
from chatserver.redis.errors import RedisUnavailable
from chatserver.redis.shards import Shards

log = structlog.get_logger(__name__)

FRESH_S: Final = 15.0
_EVERY_S: Final = 1.0
_SURE: Final = 2
"""Looks: a worker that is just being replaced is no lack of one."""
_KEY: Final = "cs:roster"

Seen = Callable[[Sequence[Party]], None]


class RedisRoster:
    """`await RedisRoster.open(url)`; `aclose` ends it. It opens whether Redis is there or not."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    @classmethod
    async def open(cls, url: str) -> Self:
        shards = Shards(Address.parse(url), report=False)
        await shards.open(required=False)
        return cls(shards)

    async def aclose(self) -> None:
        await self._shards.aclose()

    async def attend(self, me: Callable[[], Party], seen: Seen) -> None:
        """Says again and again that `me` is there, and tells who else is, until it is cancelled."""
        told = b""
        try:
            while True:
                with suppress(RedisUnavailable):  # the log says so
                    before, told = told, orjson.dumps(asdict(me()))
                    if before not in (b"", told):
                        await self._shards.call("ZREM", _KEY, before)
                    await self._shards.call("ZADD", _KEY, await self._now(), told)
                    await self._shards.call("EXPIRE", _KEY, int(10 * FRESH_S))
                    seen(await self.there())
                await asyncio.sleep(_EVERY_S)
        finally:
            with suppress(RedisUnavailable, TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._shards.call("ZREM", _KEY, told)

    async def there(self) -> list[Party]:
        """Raises `RedisUnavailable`."""
        gone = await self._now() - FRESH_S
        await self._shards.call("ZREMRANGEBYSCORE", _KEY, "-inf", gone)
        notes = await self._shards.call("ZRANGE", _KEY, 0, -1)
        return [party for note in notes if (party := _read(note))]

    async def _now(self) -> float:
        seconds, microseconds = await self._shards.call("TIME")
        return int(seconds) + int(microseconds) / 1e6


def _read(note: bytes) -> Party | None:
    """None for what another version has written."""
    try:
        return Party(**orjson.loads(note))
    except (TypeError, ValueError):
        return None


@dataclass(slots=True)
class ServersView:
    """What a server makes of who is there: so, twice in a row, it is so; said once whenever it changes."""

    home: str
    makes: str
    making: str
    lack: Lack | None = None
    _before: Lack | None = None
    _apart: list[str] = field(default_factory=list)

    def see(self, there: Sequence[Party]) -> None:
        waiting = any(party.waiting and party.home == self.home for party in there)
        lack = lack_of(self.makes, there) if waiting else None
        before, self._before = self._before, lack
        if lack is None and self.lack is not None:
            self.lack = None
            log.info("jobs are taken again")
        elif lack is not None and lack == before != self.lack:
            self.lack = lack
            log.warning("jobs wait for a worker", code=lack.code, here=self.making, workers=list(lack.others))
        apart = corpora_apart(self.home, there)
        if apart and apart != self._apart:
            log.warning("other servers on this Redis have a data directory, and so a corpus, of their own", hosts=apart)
        self._apart = apart


@dataclass(slots=True)
class WorkersView:
    """What a worker makes of who is there: of each data directory whose jobs it may not do it is said once, when it has
    been so twice in a row."""

    me: Party
    _times: dict[tuple[str, str], int] = field(default_factory=dict)

    def see(self, there: Sequence[Party]) -> None:
        left = {(party.home, party.making): party for party in left_waiting(self.me, there)}
        self._times = {key: self._times.get(key, 0) + 1 for key in left}
        for key, party in left.items():
            if self._times[key] == _SURE:
                log.warning(
                    "jobs wait that this worker may not do: their server has other settings",
                    server=party.host,
                    wanted=party.making,
                    here=self.me.making,
                )
