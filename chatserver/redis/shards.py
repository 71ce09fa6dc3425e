"""All masters that keys are spread over, found from one address. A single Redis is one that has every slot.

Theory of operation
    Who has a slot is learned from the servers themselves: one that does not have it says who does (MOVED), and then
    the whole map is asked for. So nothing has to be known beforehand of what is behind the address: a single Redis, a
    cluster, or a proxy that hides one and redirects nobody.

    While a slot is moved, one of its keys may be at either end: ASK sends us to the other for this time only, and
    TRYAGAIN says that two keys of one script are not at the same end yet. That passes; we wait for it a while.

    A master that dies says nothing. While one can't be reached, the others are asked for the map again and again, until
    it names the one that has taken its place.

    There is one `RedisLink` to each master, however many callers.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import structlog

from chatserver.redis.address import Address, Argument
from chatserver.redis.errors import RedisRefused, RedisUnavailable
from chatserver.redis.link import PATIENCE_S, RedisLink
from chatserver.redis.slots import SLOTS, key_of, own_name, ranges, redirection, slot_of

log = structlog.get_logger(__name__)

PROBES: Final = 512
"""Keys that are looked for at the start, in one round trip, in slots as good as random: a cluster is found out unless
the address alone has nearly all slots (99 of 100: once in 170), and then it is found out later."""
_HOPS: Final = 32
"""Redirections that one call follows before it is given up."""
_UNSTABLE_S: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5)
"""Waits for a slot that is just being moved."""
_WATCH_S: Final = 0.25
_SCANNED: Final = 1000


class Shards:
    """`open` it on the loop that uses it; `aclose` ends it. `reopened` is called when any master may not have what it
    had: after each connection but the first, and for each master that is met later."""

    def __init__(
        self,
        seed: Address,
        *,
        reopened: Callable[[], None] = lambda: None,
        patience_s: float = PATIENCE_S,
        report: bool = True,
    ) -> None:
        self._seed = seed
        self._reopened = reopened
        self._patience_s = patience_s
        self._report = report
        self._links: dict[Address, RedisLink] = {}
        self._names: dict[Address, Address] = {}
        """How a server is called by the others, to how we have reached it."""
        self._owners = [seed] * SLOTS
        self._masters = [seed]
        self._only: RedisLink | None = None
        """The link, when there is no other."""
        self._changing = asyncio.Lock()
        self._moved = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None

    @property
    def masters(self) -> Mapping[Address, RedisLink]:
        """Those that have slots, as far as we know."""
        return {address: self._links[address] for address in self._masters}

    @property
    def ready(self) -> bool:
        return all(link.ready for link in self.masters.values())

    async def open(self, *, required: bool = True) -> None:
        """Returns once the address is connected, and all masters that it names were tried. Raises `RedisUnavailable`
        when the address does not answer; then nothing is left open. When that is not `required`, goes on trying."""
        link = self._only = self._links[self._seed] = self._new_link(self._seed)
        try:
            await link.open(required=required)
            if link.ready:
                await self._find()
        except BaseException:
            await self.aclose()
            raise
        self._watcher = asyncio.create_task(self._watch(), name="redis-shards")

    async def call(self, *command: Argument) -> Any:
        """The reply of the master that has the command's first key. Raises `RedisUnavailable`."""
        try:
            return await (self._only or self._link_for(command)).call(*command)
        except RedisRefused as error:
            return await self._insist(error, command)

    async def keys_like(self, pattern: str) -> AsyncIterator[bytes]:
        """Every key that fits, on every master: looks at all keys that there are. Raises `RedisUnavailable`."""
        for link in self.masters.values():
            cursor = b"0"
            while True:
                cursor, keys = await link.call("SCAN", cursor, "MATCH", pattern, "COUNT", _SCANNED)
                for key in keys:
                    yield key
                if cursor == b"0":
                    break

    def address_of(self, key: bytes | None) -> Address:
        """Of the master that has this key; of any that can be reached, without one."""
        if len(self._masters) == 1:
            return self._masters[0]
        if key is not None:
            return self._owners[slot_of(key)]
        return next((address for address, link in self.masters.items() if link.ready), self._masters[0])

    async def aclose(self) -> None:
        """Idempotent."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        await asyncio.gather(*(link.aclose() for link in self._links.values()))

    async def _insist(self, error: RedisRefused, command: tuple[Argument, ...]) -> Any:
        """Goes where a refused command is sent, as long as it is sent somewhere."""
        waits = iter(_UNSTABLE_S)
        for _ in range(_HOPS):
            link, asking = await self._instead(error, command, waits)
            try:
                return await link.call(*command, asking=asking)
            except RedisRefused as refused:
                error = refused
        raise error

    async def _instead(
        self, error: RedisRefused, command: tuple[Argument, ...], waits: Iterator[float]
    ) -> tuple[RedisLink, bool]:
        """Where to send a refused command, and whether with ASKING. Raises the error when it is final."""
        if (to := redirection(str(error), self._seed)) is not None:
            address = self._names.get(to.address, to.address)
            async with self._changing:
                link = await self._link_to(address)
                if not to.asked:
                    self._note_owner(to.slot, address)
            return link, to.asked
        if not str(error).startswith("TRYAGAIN") or (wait := next(waits, None)) is None:
            raise error
        await asyncio.sleep(wait)
        return self._link_for(command), False

    def _link_for(self, command: tuple[Argument, ...]) -> RedisLink:
        return self._links[self.address_of(key_of(command))]

    async def _find(self) -> None:
        """Whether there is more behind the address. Raises `RedisUnavailable`."""
        seed = self._links[self._seed]
        probes = (seed.call("EXISTS", f"cs:probe:{n}") for n in range(PROBES))
        replies = await asyncio.gather(*probes, return_exceptions=True)
        errors = [reply for reply in replies if isinstance(reply, BaseException)]
        if any(redirection(str(error), self._seed) for error in errors):
            await self._learn()
        elif errors:
            raise errors[0]

    async def _watch(self) -> None:
        """Learns the map anew when it has changed, and for as long as a master can't be reached."""
        while True:
            try:
                async with asyncio.timeout(_WATCH_S):
                    await self._moved.wait()
            except TimeoutError:
                if self.ready or len(self._masters) == 1:
                    continue
            self._moved.clear()
            try:
                await self._learn()
            except RedisUnavailable as error:
                log.debug("nobody says who has which slots", error=str(error))

    async def _learn(self) -> None:
        """Asks one that answers for the map. Raises `RedisUnavailable`."""
        async with self._changing:
            reply = await self._ask_for_the_map()
            found = [
                (first, last, self._names.get(master, master)) for first, last, master in ranges(reply, self._seed)
            ]
            await asyncio.gather(*map(self._link_to, {master for *_, master in found}))
            for first, last, master in found:
                self._owners[first : last + 1] = [master] * (last + 1 - first)
            known, self._masters = self._masters, list(dict.fromkeys(self._owners))
            self._only = self._links[self._masters[0]] if len(self._masters) == 1 else None
            if self._watcher is not None and set(self._masters) - set(known):
                self._reopened()
            for address in self._links.keys() - set(self._masters):
                await self._links.pop(address).aclose()

    async def _ask_for_the_map(self) -> Sequence[Any]:
        ready = [(address, link) for address, link in self._links.items() if link.ready]
        if not ready:  # perhaps there are others by now where we began
            ready = [(self._seed, await self._link_to(self._seed))]
        for address, link in random.sample(ready, len(ready)):  # one may be wrong: never the same one first
            try:
                reply, me = await asyncio.gather(link.call("CLUSTER", "SLOTS"), link.call("CLUSTER", "MYID"))
            except RedisUnavailable as error:
                failed = error
                continue
            if (name := own_name(reply, me, self._seed)) is not None:
                self._names[name] = address
            return list(reply)
        raise failed

    def _note_owner(self, slot: int, address: Address) -> None:
        self._owners[slot] = address
        if address not in self._masters:
            self._masters.append(address)
            self._only = None
        self._moved.set()

    async def _link_to(self, address: Address) -> RedisLink:
        """Holding `_changing`."""
        link = self._links.get(address)
        if link is None:
            link = self._new_link(address)
            await link.open(required=False)
            self._links[address] = link
            if self._watcher is not None:
                self._reopened()
        return link

    def _new_link(self, address: Address) -> RedisLink:
        return RedisLink(address, reopened=self._reopened, patience_s=self._patience_s, report=self._report)
