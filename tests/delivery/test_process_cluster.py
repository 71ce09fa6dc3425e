"""Two nodes on a Redis Cluster of three masters: slots move and masters die, and nobody is told of it."""

import asyncio
import signal
from collections.abc import Iterator, Sequence

import pytest

from chatserver.answers.redis_keys import entries_key, meta_key
from chatserver.redis.slots import slot_of
from tests.contracts.redis_cluster import RedisCluster, redis_cluster
from tests.contracts.redis_server import RedisServer
from tests.delivery.conformance.judge import Judge
from tests.delivery.conformance.nodes import all_serving, node
from tests.delivery.conformance.scenarios import playing
from tests.delivery.conformance.server import Server, holds
from tests.eventually import eventually

pytestmark = pytest.mark.slow

SOON_S = 60.0
"""The machine may be busy."""
SUSPECTED_MS = "1000"
"""How long a master is silent before its replica may take its place."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    directory = tmp_path_factory.mktemp("cluster")
    with redis_cluster(directory, "--cluster-node-timeout", SUSPECTED_MS, replicas=1) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def nodes(cluster: RedisCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Server]]:
    """Each is told of another master."""
    with all_serving([node(master.url, tmp_path_factory.mktemp("node")) for master in cluster.masters[:2]]) as servers:
        yield servers


def generation(cluster: RedisCluster, answer: str) -> int:
    return int(cluster.says(meta_key(answer), "HGET", meta_key(answer), "g"))


def move(cluster: RedisCluster, answer: str, to: RedisServer) -> None:
    slot, of = slot_of(meta_key(answer).encode()), cluster.master_of(meta_key(answer))
    cluster.begin_to_move(slot, to, of=of)
    for key in (meta_key(answer), entries_key(answer)):
        cluster.move_key(key, to, of=of)
    cluster.end_to_move(slot, to)


async def test_an_answer_whose_slot_moves(nodes: Sequence[Server], cluster: RedisCluster) -> None:
    """Told at one node, read and stopped at the other, while its slot goes once around all masters."""
    a, b = nodes
    async with playing(a.target(), "moves") as play:
        client, chat, answer = await play.asks(100_000, 5)
        reader = play.judge(" elsewhere", target=b.target())
        await reader.come_back(chat)
        await client.until(answer, 5)  # there is something to move
        for master in cluster.masters:
            if cluster.master_of(meta_key(answer)) is not master:
                await asyncio.to_thread(move, cluster, answer, master)
            await asyncio.gather(client.entries(20), reader.entries(20))
        await reader.send("stop", answer=answer)
        await asyncio.gather(client.ended(answer), reader.ended(answer))
        assert generation(cluster, answer) == 1, "nobody had to take it over"
        await holds(play, b)


async def test_a_master_dies_and_its_replica_takes_its_place(nodes: Sequence[Server], cluster: RedisCluster) -> None:
    """By the cluster's own vote, while twelve answers are told: those of the other masters go on, its own wait and go
    on, and each is read whole, once, by its own node's client and by one of the other node."""
    a, b = nodes
    doomed, (heir,) = cluster.masters[0], cluster.replicas
    await eventually(lambda: "master_link_status:up" in heir.says("INFO", "replication"), within_s=SOON_S)
    async with playing(a.target(), "dies") as play:
        asked = [await play.asks(400, 20, f" {n}") for n in range(12)]
        for _, chat, answer in asked:
            reader = play.judge(f" elsewhere {chat}", target=b.target())
            await reader.come_back(chat)
            await reader.until(answer, 5)
        doomed.signal(signal.SIGKILL)
        await eventually(lambda: "role:master" in heir.says("INFO", "replication"), within_s=SOON_S)
        await asyncio.gather(*(judge.finish(*_chats(judge), within_s=SOON_S) for judge in play.judges))
        report = await holds(play, b)
    assert report.counts["answers"] == 12
    assert report.counts["takeovers"] == 0


def _chats(judge: Judge) -> list[str]:
    return list({kept.chat for kept in judge.answers.values()})
