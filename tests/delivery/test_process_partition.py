"""Three nodes on one Redis, each at a loopback address of its own; the network of one of them is cut, late, or deaf.

What is cut are relays: its way to Redis, and that of its clients to it.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.contracts.redis_server import RedisServer, redis_server
from tests.delivery.conformance.front import Front, front
from tests.delivery.conformance.judge import Target
from tests.delivery.conformance.nodes import all_serving, generation, node, told_by
from tests.delivery.conformance.proxy import Proxy, proxy
from tests.delivery.conformance.scenarios import playing
from tests.delivery.conformance.server import DOOMED, Server, holds, scripted_question, serving
from tests.eventually import eventually
from tests.ports import free_port

SOON_S = 60.0
"""The machine may be busy."""


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis"), port=free_port()) as server:
        yield server


@pytest.fixture(scope="module")
def others(redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Server]]:
    """The two nodes whose network is good."""
    nodes = [node(redis.url, tmp_path_factory.mktemp("node"), host=host) for host in ("127.0.0.1", "127.0.0.2")]
    with all_serving(nodes) as servers:
        yield servers


@dataclass(frozen=True, slots=True)
class Island:
    """The third node: its way to Redis, that of its clients to it, and the front before all three."""

    server: Server
    to_redis: Proxy
    to_it: Proxy
    front: Front

    @property
    def target(self) -> Target:
        """The node itself, over its network."""
        return Target(self.to_it.url, scripted_question)

    @property
    def anywhere(self) -> Target:
        return Target(self.front.url, scripted_question)


@pytest.fixture
async def island(redis: RedisServer, others: Sequence[Server], tmp_path: Path) -> AsyncIterator[Island]:
    async with _island(redis, others, tmp_path) as island:
        yield island


@asynccontextmanager
async def _island(redis: RedisServer, others: Sequence[Server], tmp_path: Path) -> AsyncIterator[Island]:
    async with proxy(redis.port) as to_redis:
        third = node(f"redis://127.0.0.1:{to_redis.port}", tmp_path / "island", host="127.0.0.3", **DOOMED)
        with serving(third, ready=False) as server:
            await asyncio.to_thread(server.wait_ready)
            places = [other.place for other in (server, *others)]
            async with proxy(server.port, server.host) as to_it, front(places) as address:
                yield Island(server, to_redis, to_it, address)
                to_redis.flow()  # it needs Redis to end well


async def is_ready(server: Server) -> bool:
    async with httpx.AsyncClient(trust_env=False, timeout=SOON_S) as http:
        return (await http.get(f"http://{server.host}:{server.port}/readyz")).status_code == 200


@pytest.mark.parametrize("from_clients", [False, True], ids=["from Redis", "from Redis and clients"])
async def test_a_node_that_is_cut_off(
    island: Island, redis: RedisServer, others: Sequence[Server], from_clients: bool
) -> None:
    """Its answer is taken over, its clients get on at the other nodes, and what it writes late is fenced: a tab that
    stayed with it reads on, when it is back, what the other node tells, and nothing else."""
    async with playing(island.target, "cut off") as play:
        client, chat, answer = await told_by(redis, island.server, play, 300, 20)
        stays = play.judge(" stays", target=island.target)
        await stays.come_back(chat)
        await asyncio.gather(client.until(answer, 15), stays.until(answer, 15))
        island.to_redis.stall()
        if from_clients:
            island.to_it.stall()
        await eventually(lambda: generation(redis, answer) == 2, within_s=SOON_S)
        if not from_clients:
            assert not await is_ready(island.server)
        client.leave_open()
        client.target = island.anywhere
        await client.come_back(chat)
        seen = client.answers[answer].seq
        await client.until(answer, seen + 20)
        island.to_redis.flow()
        island.to_it.flow()
        await asyncio.gather(client.finish(chat), stays.finish(chat))
        await eventually(lambda: "generation fenced" in island.server.printed(), within_s=SOON_S)
        assert generation(redis, answer) == 2
        report = await holds(play, others[0])
    assert report.counts["takeovers"] == 1


async def test_deaf_with_a_live_connection(island: Island, redis: RedisServer, others: Sequence[Server]) -> None:
    """The subscription's connection stays open and carries nothing any more: a reader at the deaf node gets every
    entry from the log meanwhile, and the subscription is built anew."""
    async with playing(others[0].target(), "deaf") as play:
        client, chat, answer = await play.asks(100_000, 10)
        reader = play.judge(" at the deaf node", target=island.target)
        await reader.come_back(chat)
        await reader.entries(20)
        island.to_redis.forget(saying=b"SUBSCRIBE")
        await reader.entries(20)
        deaf = "doorbell is deaf"

        async def noticed() -> None:
            while deaf not in island.server.printed():
                await reader.entries(1)

        async with asyncio.timeout(SOON_S):
            await noticed()
        await reader.entries(20)
        await client.send("stop", answer=answer)
        await asyncio.gather(client.ended(answer), reader.ended(answer))
        await holds(play, others[1])
