"""Redis loses what it had acknowledged, in each of the ways that it can: what readers at the nodes are told.

The promises are the table of `docs/redis.md`.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.contracts.redis_server import JOURNALED, RedisServer, redis_server
from tests.delivery.conformance.judge import Judge, Kept
from tests.delivery.conformance.nodes import all_serving, generation, node, told_by
from tests.delivery.conformance.proxy import Proxy, proxy
from tests.delivery.conformance.scenarios import Play, playing
from tests.delivery.conformance.server import DOOMED, Server, holds, serving
from tests.eventually import eventually
from tests.ports import free_port

SOON_S = 60.0
"""The machine may be busy."""


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis"), *JOURNALED, port=free_port()) as server:
        yield server


@pytest.fixture(scope="module")
def nodes(redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Server]]:
    with all_serving([node(redis.url, tmp_path_factory.mktemp("node")) for _ in range(2)]) as servers:
        yield servers


async def verdict(client: Judge, chat: str, answer: str) -> str:
    """What the client is told when it comes back with its cursor, once Redis is itself again."""
    client.cut()
    await client.come_back(chat, within_s=SOON_S)
    (told,) = [told for told in client.journal.got("resumed")[-1]["answers"] if told["answer"] == answer]
    return str(told["verdict"])


async def ended(play: Play, suffix: str) -> tuple[Judge, str, str]:
    """A client that has had a whole answer."""
    client, chat, answer = await play.asks(5, 0, suffix)
    await client.ended(answer)
    return client, chat, answer


async def leaves(play: Play, client: Judge) -> None:
    """It is done, and is not judged: what it has had will be gone."""
    play.judges.remove(client)
    await client.close()


async def told_at(server: Server, client: Judge, chat: str, answer: str) -> str:
    """What a client is told in the end at this node that comes with the cursor of the answer's middle."""
    reader = Judge(server.target(), "comes with a cursor", complete=False)
    reader.answers[answer] = Kept(chat, client.answers[answer].epoch, 2)
    await reader.finish(chat)
    await reader.close()
    verdicts = [told["verdict"] for resumed in reader.journal.got("resumed") for told in resumed["answers"]]
    assert verdicts[-1] != "gone" or not reader.journal.got("chunk"), "nothing is told of what is gone"
    return str(verdicts[-1])


async def test_the_last_second_is_lost(nodes: Sequence[Server], redis: RedisServer) -> None:
    """Redis comes back without what it was told last: the nodes have it, and readers are `resumed` where they were, be
    the answer under way or ended just now."""
    async with playing(nodes[0].target(), "last second") as play:
        client, chat, answer = await play.asks(300, 20)
        await client.until(answer, 20)
        size = redis.journal_size()
        other, its_chat, just_ended = await ended(play, " just ended")
        await client.entries(20)
        redis.kill()
        redis.forget_after(size)
        redis.start()
        assert await verdict(client, chat, answer) == "resumed"
        await client.finish(chat)
        assert await told_at(nodes[1], other, its_chat, just_ended) == "resumed"
        await holds(play, nodes[1])
    assert generation(redis, answer) == 1, "nobody had to tell it again"


@pytest.mark.slow
async def test_the_last_second_is_lost_with_the_node_that_told_it(
    nodes: Sequence[Server], redis: RedisServer, tmp_path: Path
) -> None:
    """Nobody can put it back: who takes the answer over gives it another epoch, and its reader is told `snapshot`."""
    with serving(node(redis.url, tmp_path / "doomed", **DOOMED)) as doomed:
        async with playing(doomed.target(), "with its node") as play:
            client, chat, answer = await told_by(redis, doomed, play, 300, 20)
            await client.until(answer, 20)
            size = redis.journal_size()
            await client.entries(20)
            doomed.kill()
            redis.kill()
            redis.forget_after(size)
            redis.start()
            await client.closed()
            client.target = nodes[0].target()
            await eventually(lambda: generation(redis, answer) == 2, within_s=SOON_S)
            assert await verdict(client, chat, answer) == "snapshot"
            await client.finish(chat)
            await holds(play, nodes[1])


@pytest.mark.slow
async def test_failover_to_a_stale_replica(tmp_path: Path) -> None:
    """A replica that has not heard of the last entries becomes the master, behind the same address: readers are
    `resumed`, an answer that ended meanwhile is whole, and questions are taken again."""
    async with failing_over(tmp_path) as (master, replica, network, nodes), playing(nodes[0].target(), "stale") as play:
        client, chat, answer = await play.asks(300, 20)
        await client.until(answer, 20)
        replica.says("REPLICAOF", "127.0.0.1", str(master.port))
        await eventually(lambda: "master_link_status:up" in replica.says("INFO", "replication"), within_s=SOON_S)
        replica.says("REPLICAOF", "NO", "ONE")
        behind = int(replica.says("HGET", f"cs:{{a:{answer}}}", "h"))
        other, its_chat, just_ended = await ended(play, " just ended")
        await client.until(answer, behind + 20)
        network.redirect(replica.port)
        assert await verdict(client, chat, answer) == "resumed"
        await client.finish(chat)
        assert await told_at(nodes[1], other, its_chat, just_ended) == "resumed"
        assert master.says("HGET", f"cs:{{a:{answer}}}", "s") == "running", "the old one has heard nothing of the end"
        await ended(play, " a new question")
        await holds(play, nodes[1])


@asynccontextmanager
async def failing_over(
    directory: Path,
) -> AsyncIterator[tuple[RedisServer, RedisServer, Proxy, Sequence[Server]]]:
    """Two Redis, a network that leads to the first of them, and two nodes on that."""
    for name in ("master", "replica"):
        (directory / name).mkdir()
    async with AsyncExitStack() as stack:
        master = stack.enter_context(redis_server(directory / "master", port=free_port()))
        replica = stack.enter_context(redis_server(directory / "replica", port=free_port()))
        network = await stack.enter_async_context(proxy(master.port))
        nodes = [node(f"redis://127.0.0.1:{network.port}", directory / name) for name in ("one", "two")]
        for server in nodes:
            stack.enter_context(serving(server, ready=False))
        for server in nodes:
            await asyncio.to_thread(server.wait_ready)
        yield master, replica, network, nodes


async def gets_on(client: Judge, chat: str, answer: str) -> None:
    """Has some entries more, over another connection if need be."""
    enough = client.answers[answer].seq + 20
    async with asyncio.timeout(SOON_S):
        while client.answers[answer].seq < enough:
            await client.step(chat)


async def test_a_flush_and_what_had_ended(nodes: Sequence[Server], redis: RedisServer) -> None:
    """FLUSHALL: of an answer that had ended its readers are told that it is `gone`; one under way is told on."""
    async with playing(nodes[0].target(), "flush") as play:
        other, its_chat, ended_before = await ended(play, " ended")
        await leaves(play, other)
        client, chat, answer = await play.asks(200, 10)
        await client.entries(20)
        redis.says("FLUSHALL")
        await gets_on(client, chat, answer)
        assert await told_at(nodes[1], other, its_chat, ended_before) == "gone"
        assert await verdict(client, chat, answer) == "resumed"
        await client.finish(chat)
        await holds(play, nodes[1])


@pytest.mark.parametrize(("key", "again"), [("", "resumed"), (":e", "snapshot")], ids=["meta alone", "entries alone"])
async def test_an_eviction(nodes: Sequence[Server], redis: RedisServer, key: str, again: str) -> None:
    """Redis evicts one of an answer's two keys. Of an answer under way the meta is put back, and lost entries are told
    anew in another epoch; one that has ended is `gone`. Never half of either."""
    async with playing(nodes[0].target(), "eviction") as play:
        other, its_chat, ended_before = await ended(play, " ended")
        await leaves(play, other)
        redis.says("DEL", f"cs:{{a:{ended_before}}}{key}")
        assert await told_at(nodes[1], other, its_chat, ended_before) == "gone"
        client, chat, answer = await play.asks(200, 20)
        await client.until(answer, 20)
        epoch = client.answers[answer].epoch
        redis.says("DEL", f"cs:{{a:{answer}}}{key}")
        if key:
            reader = play.judge(" at the other node", target=nodes[1].target())
            await reader.come_back(chat)  # who reads the log is who finds out
            await eventually(lambda: redis.says("HGET", f"cs:{{a:{answer}}}", "e") != epoch, within_s=SOON_S)
            await reader.finish(chat)
        else:
            await gets_on(client, chat, answer)
        assert await verdict(client, chat, answer) == again
        await client.finish(chat)
        await holds(play, nodes[1])
