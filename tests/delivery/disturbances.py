"""What the soak does to one server, and what it does to several nodes on one Redis. What is chosen comes from `rng`."""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Protocol

from tests.contracts.redis_server import RedisServer
from tests.delivery.conformance.front import Front
from tests.delivery.conformance.judge import Target
from tests.delivery.conformance.proxy import Proxy
from tests.delivery.conformance.server import Server, owners_in, scripted_question
from tests.eventually import eventually

Act = Callable[[], Awaitable[None]]

_READY_S = 60.0
_SAFE_S = 2.5
"""After so long Redis has on its disk what it was told before (`everysec`), and a node that came back has put back what
it has: the promises of `docs/redis.md` leave the time before this out."""


class Disturbances(Protocol):
    """`counts` is what was done so far."""

    counts: Counter[str]

    def target(self) -> Target: ...

    def acts(self) -> list[tuple[Act, int]]:
        """What may happen, and how often."""
        ...

    def generations(self) -> list[tuple[str, int]]:
        """Of every answer, as seen from beside."""
        ...


class OneServer:
    """`chatserver serve --workers 2`."""

    def __init__(self, server: Server, rng: random.Random) -> None:
        self.counts: Counter[str] = Counter()
        self._server = server
        self._rng = rng

    def target(self) -> Target:
        return self._server.target()

    def generations(self) -> list[tuple[str, int]]:
        return self._server.generations()

    def acts(self) -> list[tuple[Act, int]]:
        """What may happen, and how often."""
        single = [(self._kill, 4), (self._freeze, 3), (self._roll, 3), (self._drain, 2)]
        return [*single, (self._restart, 1), (self._crash, 1)]

    def _worker(self) -> int | None:
        workers = [process.pid for process in self._server.processes() if process.pid != self._server.pid]
        return self._rng.choice(sorted(workers)) if workers else None

    async def _kill(self) -> None:
        """SIGKILL to one process."""
        if (pid := self._worker()) is not None:
            self.counts["kills"] += 1
            self._signal(signal.SIGKILL, pid)

    async def _freeze(self) -> None:
        """SIGSTOP, perhaps past the lease, and SIGCONT."""
        if (pid := self._worker()) is not None:
            self.counts["freezes"] += 1
            self._signal(signal.SIGSTOP, pid)
            await asyncio.sleep(self._rng.uniform(0.2, 2.5))
            self._signal(signal.SIGCONT, pid)

    async def _roll(self) -> None:
        """SIGHUP: new processes, the old ones drain."""
        self.counts["reloads"] += 1
        self._server.signal(signal.SIGHUP)

    async def _drain(self) -> None:
        """SIGTERM to one process: it drains, and its parent replaces it."""
        if (pid := self._worker()) is not None:
            self.counts["drains"] += 1
            self._signal(signal.SIGTERM, pid)

    async def _restart(self) -> None:
        """SIGTERM to the parent, and the whole server again."""
        self.counts["drains"] += 1
        self._server.signal(signal.SIGTERM)
        await asyncio.to_thread(self._server.wait, 30)
        await self._start()

    async def _crash(self) -> None:
        """SIGKILL to all processes, and the whole server again."""
        self.counts["kills"] += 1
        await asyncio.to_thread(self._server.kill)
        await self._start()

    async def _start(self) -> None:
        await asyncio.sleep(self._rng.uniform(0, 1.5))
        await asyncio.to_thread(lambda: self._server.start().wait_ready())

    def _signal(self, number: signal.Signals, pid: int) -> None:
        with suppress(ProcessLookupError):  # it has just ended by itself
            self._server.signal(number, pid)


class ManyNodes:
    """Nodes on one Redis, each over a network of its own to it, behind one address."""

    def __init__(
        self,
        nodes: Sequence[Server],
        networks: Sequence[Proxy],
        redis: RedisServer,
        address: Front,
        rng: random.Random,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._nodes = nodes
        self._networks = networks
        self._redis = redis
        self._address = address
        self._rng = rng

    def target(self) -> Target:
        return Target(self._address.url, scripted_question)

    def generations(self) -> list[tuple[str, int]]:
        return [(answer, generation) for answer, (generation, _) in owners_in(self._redis).items()]

    def acts(self) -> list[tuple[Act, int]]:
        nodes = [(self._kill, 3), (self._drain, 3), (self._freeze, 3), (self._cut, 3), (self._cut_off, 3)]
        redis = [(self._deafen, 2), (self._hang_redis, 2), (self._restart_redis, 1), (self._lose_a_second, 2)]
        return [*nodes, *redis]

    async def _kill(self) -> None:
        """SIGKILL to all processes of a node, and it is started again."""
        self.counts["kills"] += 1
        node = await self._one_of_two()
        await asyncio.to_thread(node.kill)
        node.start()

    async def _drain(self) -> None:
        """SIGTERM to a node, and it is started again."""
        self.counts["drains"] += 1
        node = await self._one_of_two()
        node.signal(signal.SIGTERM)
        await eventually(node.has_ended, within_s=_READY_S)
        node.start()

    async def _freeze(self) -> None:
        """SIGSTOP to all processes of a node, perhaps past the lease, and SIGCONT."""
        self.counts["freezes"] += 1
        processes = (await self._one_of_two()).processes()
        for process in processes:
            process.suspend()
        await asyncio.sleep(self._rng.uniform(0.2, 2.5))
        for process in processes:
            process.resume()

    async def _cut(self) -> None:
        """A node's connections to Redis are reset."""
        self.counts["links to Redis cut"] += 1
        self._rng.choice(self._networks).reset()

    async def _cut_off(self) -> None:
        """Nothing comes through between a node and Redis, perhaps past the lease; then all of it, late."""
        self.counts["nodes cut off"] += 1
        network = self._rng.choice(self._networks)
        network.stall()
        await asyncio.sleep(self._rng.uniform(0.2, 8.0))
        network.flow()

    async def _deafen(self) -> None:
        """All subscriptions are lost, and the scripts with them."""
        self.counts["subscriptions lost"] += 1
        await self._ask_redis("CLIENT", "KILL", "TYPE", "pubsub")
        await self._ask_redis("SCRIPT", "FLUSH")

    async def _hang_redis(self) -> None:
        """SIGSTOP to Redis, and SIGCONT."""
        self.counts["Redis hung"] += 1
        self._redis.signal(signal.SIGSTOP)
        await asyncio.sleep(self._rng.uniform(0.2, 3.0))
        self._redis.signal(signal.SIGCONT)

    async def _restart_redis(self) -> None:
        """SIGKILL to Redis, and it comes back as it was."""
        await self._all_is_well()
        self.counts["Redis restarted"] += 1
        self._redis.kill()
        await asyncio.sleep(self._rng.uniform(0, 2.0))
        await asyncio.to_thread(self._redis.start)
        await self._all_is_well()

    async def _lose_a_second(self) -> None:
        """The same, and what it was told within the last second it has forgotten."""
        await self._all_is_well()
        self.counts["Redis lost a second"] += 1
        size = self._redis.journal_size()
        await asyncio.sleep(self._rng.uniform(0.1, 1.0))
        self._redis.kill()
        self._redis.forget_after(size)
        await asyncio.to_thread(self._redis.start)
        await self._all_is_well()

    async def _all_is_well(self) -> None:
        """All nodes take questions, and have for a while."""
        await self._ready(len(self._nodes))
        await asyncio.sleep(_SAFE_S)

    async def _one_of_two(self) -> Server:
        """A node that takes questions, and is not the only one to."""
        return self._rng.choice(await self._ready(2))

    async def _ready(self, count: int) -> list[Server]:
        """The nodes that take questions, once they are so many. One that was started while it could not reach Redis has
        ended, and is started again, as whatever keeps servers running does."""
        async with asyncio.timeout(_READY_S):
            while True:
                for node in self._nodes:
                    if node.has_ended():
                        node.start()
                are = await asyncio.gather(*(asyncio.to_thread(node.is_ready) for node in self._nodes))
                if sum(are) >= count:
                    return [node for node, is_ready in zip(self._nodes, are, strict=True) if is_ready]
                await asyncio.sleep(0.05)

    async def _ask_redis(self, *command: str) -> None:
        await asyncio.to_thread(self._redis.says, *command)
