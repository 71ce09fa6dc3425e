"""The doorbell between processes: one pub/sub connection, which is never trusted.

Theory of operation
    A ring says that an answer has changed and never how: the log is read. The channels are many but bounded; an
    answer's is found by hashing, and a process listens to those of the answers that it tails, and to the news.

    A subscription may be deaf on a connection that lives: a proxy that forgot it, a server that lost it. So every
    `probe_s` a message is published to this process's own channel the way that rings are, at every master: those of a
    cluster pass on to each other what is published. When one has not come back by the next time, the connection is
    built anew. After each (re)connection any answer may have changed.
"""

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import structlog

from chatserver.answers.log import LogUnavailable, Ring
from chatserver.answers.redis_keys import NEWS, ring_channel
from chatserver.answers.redis_scripts import PUBLISH
from chatserver.redis.address import Address
from chatserver.redis.link import RedisLink
from chatserver.redis.shards import Shards

log = structlog.get_logger(__name__)

PROBE_S = 2.0
_CONFIRM_S = 1.0
_RELEASED = "released"


class Doorbell:
    """`ring` is called for what other processes did; `writes` is what rings are published on."""

    def __init__(
        self, address: Address, writes: Shards, ring: Callable[[Ring], None], *, probe_s: float = PROBE_S
    ) -> None:
        self.id = uuid.uuid4().hex[:12]
        """Tells this process's own rings from those of others."""
        self._ring = ring
        self._writes = writes
        self._probe_s = probe_s
        self._link = RedisLink(
            address, opened=self._subscribe, heard=self._hear, elsewhere=lambda: writes.address_of(None)
        )
        self._followed: Counter[str] = Counter()
        self._confirmed: dict[str, asyncio.Future[None]] = {}
        self._probe_channel = f"cs:probe:{self.id}"
        self._probes = 0
        self._unheard: set[str] = set()
        """The newest probes, as far as they have not come back."""
        self._prober: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Raises `LogUnavailable`."""
        await self._link.open()
        self._prober = asyncio.create_task(self._probe(), name="redis-doorbell-probe")

    async def follow(self, answer: str) -> None:
        """Returns once rings of the answer are heard, or can't be for now."""
        channel = ring_channel(answer)
        self._followed[channel] += 1
        is_first, is_coming = self._followed[channel] == 1, channel in self._confirmed
        if self._link.ready and (is_first or is_coming):
            await self._confirm(channel)

    def unfollow(self, answer: str) -> None:
        channel = ring_channel(answer)
        self._followed[channel] -= 1
        if self._followed[channel] <= 0:
            del self._followed[channel]
            self._link.tell("UNSUBSCRIBE", channel)

    def changed(self, answer: str, head: int = 0) -> str:
        """The message that an answer has changed, and how long it is at least."""
        return f"{self.id} {head} {answer}"

    def released(self, answer: str) -> str:
        """The message that an answer waits for an owner."""
        return f"{self.id} {_RELEASED} {answer}"

    async def aclose(self) -> None:
        """Idempotent."""
        if self._prober is not None:
            self._prober.cancel()
            await asyncio.gather(self._prober, return_exceptions=True)
        await self._link.aclose()

    async def _subscribe(self) -> None:
        self._unheard.clear()
        channels = [NEWS, self._probe_channel, *self._followed]
        await asyncio.gather(*map(self._subscribed, channels))
        self._ring(Ring(""))

    async def _confirm(self, channel: str) -> None:
        try:
            async with asyncio.timeout(_CONFIRM_S):
                await self._subscribed(channel)
        except TimeoutError:
            log.warning("subscription not confirmed", channel=channel)

    async def _subscribed(self, channel: str) -> None:
        done = self._confirmed.get(channel)
        if done is None:
            done = self._confirmed[channel] = asyncio.get_running_loop().create_future()
        self._link.tell("SUBSCRIBE", channel)
        await asyncio.shield(done)

    def _hear(self, reply: Any) -> None:
        if not isinstance(reply, list) or len(reply) != 3:
            return
        kind, channel, message = reply
        if kind == b"subscribe":
            done = self._confirmed.pop(channel.decode(), None)
            if done is not None and not done.done():
                done.set_result(None)
        elif kind == b"message":
            self._hear_message(channel.decode(), message.decode())

    def _hear_message(self, channel: str, message: str) -> None:
        if channel == self._probe_channel:
            self._unheard.discard(message)
            return
        sender, what, answer = message.split(" ", 2)
        if sender == self.id:
            return
        if what == _RELEASED:
            self._ring(Ring(""))
        else:
            self._ring(Ring(answer, int(what)))

    async def _probe(self) -> None:
        while True:
            await asyncio.sleep(self._probe_s)
            if self._link.ready and self._unheard:
                log.warning("doorbell is deaf, connecting again", probes=len(self._unheard))
                self._link.rebuild()
                self._unheard.clear()
                continue
            async with asyncio.TaskGroup() as group:
                for link in self._writes.masters.values():
                    group.create_task(self._publish_probe(link))

    async def _publish_probe(self, master: RedisLink) -> None:
        self._probes += 1
        probe = str(self._probes)
        self._unheard.add(probe)
        try:
            await PUBLISH.run(master, [], self._probe_channel, probe)
        except LogUnavailable:  # nobody can ring there now; each link comes back by itself
            self._unheard.discard(probe)
