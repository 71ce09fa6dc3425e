"""Three nodes on one Redis, each with a data directory of its own: any of them serves any chat."""

import asyncio
import signal
import statistics
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.contracts.redis_server import RedisServer
from tests.delivery.conformance.judge import Refused
from tests.delivery.conformance.nodes import generation, node, owner
from tests.delivery.conformance.scenarios import Play, playing
from tests.delivery.conformance.server import DOOMED, Server, holds, serving
from tests.eventually import eventually


@pytest.fixture(scope="module")
def nodes(redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    with ExitStack() as stack:
        servers = [node(redis.url, tmp_path_factory.mktemp("node")) for _ in range(3)]
        for server in servers:
            stack.enter_context(serving(server, ready=False))
        for server in servers:
            server.wait_ready()
        yield servers


async def test_ask_here_stop_there_resume_elsewhere(nodes: list[Server]) -> None:
    """A question asked at A is read at B while it is answered, stopped from B, and read again at C."""
    a, b, c = nodes
    async with playing(a.target(), "three nodes") as play:
        client, chat, answer = await play.asks(100_000, 5)
        await client.entries(10)
        at_b = play.judge(" at B", target=b.target())
        await at_b.come_back(chat)
        await at_b.entries(10)
        await at_b.send("stop", answer=answer)
        await asyncio.gather(client.ended(answer), at_b.ended(answer))  # by itself it would go on for minutes
        at_c = play.judge(" at C", target=c.target())
        await at_c.come_back(chat)
        await at_c.ended(answer)
        assert client.journal.got("end")[0]["state"] == "stopped"
        await holds(play, c)


async def test_entries_reach_another_node_soon(nodes: list[Server]) -> None:
    """A reader at another node is not noticeably behind one at the node that tells the answer: if the machine had other
    things to do, with the next answer."""
    a, b, _ = nodes
    async with playing(a.target(), "soon") as play:
        behind_s = [await behind(play, b)]
        while min(behind_s) >= 0.1 and len(behind_s) < 5:
            behind_s.append(await behind(play, b))
        assert min(behind_s) < 0.1
        await holds(play, b)


async def behind(play: Play, elsewhere: Server) -> float:
    """By how many seconds half of an answer's entries are later there at least."""
    client, chat, answer = await play.asks(100, 20, f" {len(play.judges)}")
    other = play.judge(f" elsewhere {len(play.judges)}", target=elsewhere.target())
    await other.come_back(chat)
    await asyncio.gather(client.ended(answer), other.ended(answer))
    here, there = (
        {r.frame["seq"]: r.at for r in judge.journal.records if r.direction == "got" and r.frame["type"] == "chunk"}
        for judge in (client, other)
    )
    return statistics.median(there[seq] - here[seq] for seq in here if seq > 20)


async def test_a_flush_in_the_middle_of_an_answer(nodes: list[Server], redis: RedisServer) -> None:
    """FLUSHALL: the node that tells the answer brings it back, and readers at any node get it whole, once."""
    a, b, _ = nodes
    async with playing(a.target(), "flush") as play:
        client, chat, answer = await play.asks(200, 10)
        other = play.judge(" at B", target=b.target())
        await other.come_back(chat)
        await asyncio.gather(client.entries(20), other.entries(20))
        redis.says("FLUSHALL")
        await asyncio.gather(client.finish(chat), other.finish(chat))
        await holds(play, b)
        assert generation(redis, answer) == 1, "nobody had to tell it again"


@pytest.mark.parametrize("away_s", [2, pytest.param(30, marks=pytest.mark.slow)])
async def test_redis_away_in_the_middle_of_answers(nodes: list[Server], redis: RedisServer, away_s: float) -> None:
    """Killed, and back after a while without its memory: a question asked meanwhile is refused with a time to come
    back, answers under way wait, and go on by themselves to their end, as if nothing had been."""
    a, b, _ = nodes
    async with playing(a.target(), "away") as play:
        asked = [await play.asks(150, 10, f" {n}") for n in range(4)]
        for client, _, answer in asked:
            await client.until(answer, 20)
        redis.kill()
        with pytest.raises(Refused) as refused:
            await asked[0][0].ask(play.target.question(1), chat=play.chat("refused"), id="refused")
        assert (refused.value.code, refused.value.retry_after_s > 0) == ("unavailable", True)
        asked[0][0].pending.clear()
        await asyncio.sleep(away_s)
        redis.start()
        for client, chat, _ in asked:
            await client.finish(chat, within_s=120)
        for at in nodes:  # refused while answers are still being put back, and asked again until it is taken
            late, chat = play.judge(f" late at {at.port}", target=at.target()), play.chat(f"late-{at.port}")
            ask = {"id": f"late-{at.port}", "chat": chat, "text": play.target.question(5)}
            late.pending[ask["id"]] = ask
            await late.finish(chat)
        await holds(play, b)
        assert {generation(redis, answer) for _, _, answer in asked} == {1}


async def test_a_deaf_network_to_one_node(nodes: list[Server], redis: RedisServer) -> None:
    """All pub/sub connections are cut: readers at other nodes still get every entry."""
    a, b, _ = nodes
    async with playing(a.target(), "deaf") as play:
        client, chat, answer = await play.asks(150, 10)
        other = play.judge(" at B", target=b.target())
        await other.come_back(chat)
        for _ in range(5):
            redis.says("CLIENT", "KILL", "TYPE", "pubsub")
            await other.entries(10)
        await asyncio.gather(client.ended(answer), other.ended(answer))
        await holds(play, b)


async def test_a_node_that_dies_is_taken_over_from(redis: RedisServer, nodes: list[Server], tmp_path: Path) -> None:
    """SIGKILL to the node that tells the answer: another one finishes it, and says what it withdraws."""
    with serving(node(redis.url, tmp_path, **DOOMED)) as doomed:
        async with playing(doomed.target(), "dies") as play:
            asked = [await play.asks(100, 10, f" {n}") for n in range(3)]
            for client, _, answer in asked:
                await client.until(answer, 10)
            taken = sum(owner(redis, answer) == doomed.pid for *_, answer in asked)
            doomed.signal(signal.SIGKILL)
            for client, chat, _ in asked:
                client.target = nodes[1].target()
                await client.finish(chat)
            report = await holds(play, nodes[2])
    assert report.counts["takeovers"] == taken > 0


async def test_a_node_that_is_stopped_hands_over(redis: RedisServer, nodes: list[Server], tmp_path: Path) -> None:
    """SIGTERM with less time than the answer needs: it is released, and another node goes on at once, long before the
    lease would have ended."""
    leaving = node(redis.url, tmp_path)
    leaving.settings = {**leaving.settings, "CHATSERVER_DRAIN_S": "0.5", "CHATSERVER_LEASE_S": "60"}
    with serving(leaving):
        async with playing(leaving.target(), "leaves") as play:
            client, chat, answer = await play.asks(300, 10)
            while owner(redis, answer) != leaving.pid:  # another node was quicker to take it
                client, chat, answer = await play.asks(300, 10, f" {len(play.judges)}")
            await client.until(answer, 10)
            leaving.signal(signal.SIGTERM)
            await eventually(lambda: generation(redis, answer) == 2, within_s=40)
            client.target = nodes[0].target()
            await client.finish(chat)
            await holds(play, nodes[1])
