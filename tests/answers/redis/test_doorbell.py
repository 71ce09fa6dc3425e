"""The doorbell between processes: who hears what, at what cost, and what a deaf one costs."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from chatserver.answers.log import Ring
from chatserver.answers.redis import RedisAnswerLog
from chatserver.answers.redis_keys import RINGS, ring_channel
from tests.answers.redis.conftest import Opener
from tests.contracts.answer_logs import LEASE_S, batch, begun, claimed, entry, question, read_all
from tests.contracts.redis_server import RedisServer, redis_server
from tests.delivery.conformance.proxy import Proxy, proxy
from tests.eventually import eventually
from tests.ports import free_port


def rings_of(log: RedisAnswerLog) -> list[Ring]:
    rings: list[Ring] = []
    log.listen(rings.append, lambda: True)
    return rings


async def test_a_followed_answer_rings_in_other_processes(log: RedisAnswerLog, other: RedisAnswerLog) -> None:
    """The ring tells how long the log is and carries no entries: those are read."""
    claim = await begun(log)
    await other.follow("a1")
    rings = rings_of(other)
    await log.append(claim, batch(0, 2), LEASE_S)
    await eventually(lambda: rings)
    assert rings == [Ring("a1", 2)]
    assert await read_all(other) == [entry(0), entry(1)]


async def test_an_answer_that_nobody_follows_costs_nobody(
    log: RedisAnswerLog, other: RedisAnswerLog, redis: RedisServer
) -> None:
    """No message is delivered for it; after `unfollow` neither."""
    claim = await begun(log)
    await other.follow("a1")
    await other.follow("a1")
    other.unfollow("a1")
    rings = rings_of(other)
    await log.append(claim, batch(0, 1), LEASE_S)
    await eventually(lambda: len(rings) == 1)
    other.unfollow("a1")
    await eventually_no_subscribers(redis)
    await log.append(claim, batch(1, 1), LEASE_S)
    await log.request_stop("ada", "a1")  # news: comes after what would have come before
    await eventually(lambda: len(rings) == 2)
    assert rings[1] == Ring("a1", 0)


async def test_own_appends_ring_once(log: RedisAnswerLog) -> None:
    """What this process published comes back over the wire and is not heard twice."""
    claim = await begun(log)
    await log.follow("a1")
    rings = rings_of(log)
    for first in range(5):
        await log.append(claim, batch(first, 1), LEASE_S)
    await asyncio.sleep(0.05)
    assert [ring.first for ring in rings] == [0, 1, 2, 3, 4]
    assert all(ring.entries for ring in rings)


async def test_a_release_wakes_everybody(log: RedisAnswerLog, other: RedisAnswerLog) -> None:
    """Any may take the answer over, whether it follows it or not."""
    claim = await begun(log)
    rings = rings_of(other)
    await log.release(claim)
    await eventually(lambda: Ring("") in rings)
    assert await other.claimable(10) == ["a1"]


async def test_claims_of_many_processes_exclude_each_other(open_log: Opener) -> None:
    """Of many claims at once on the same answers, each answer is given exactly once."""
    logs = [await open_log() for _ in range(3)]
    answers = [f"a{n}" for n in range(30)]
    for answer in answers:
        await logs[0].create(question(answer))
    claims = await asyncio.gather(*(each.claim(answer, "o", LEASE_S) for answer in answers for each in logs))
    assert sorted(held[0].answer for held in claims if held is not None) == sorted(answers)


async def test_a_question_asked_at_many_processes_at_once_is_one(open_log: Opener) -> None:
    """The same ask id makes one answer, and leaves nothing of the others."""
    logs = [await open_log() for _ in range(3)]
    made = await asyncio.gather(*(each.create(question(f"a{n}", ask_id="same")) for n, each in enumerate(logs * 10)))
    (answer,) = {meta.answer for meta, _ in made}
    assert [fresh for _, fresh in made].count(True) == 1
    assert [meta.answer for meta in await logs[0].chat("ada", "c1")] == [answer]
    assert await logs[0]._reads.call("KEYS", "cs:{a:*") == [f"cs:{{a:{answer}}}".encode()]


async def test_connections_do_not_grow_with_chats(open_log: Opener, redis: RedisServer) -> None:
    """Three a process: after one chat and after thousands, all followed."""
    log = await open_log(patience_s=30.0)  # thousands asked in one turn on a busy machine
    clients = len(redis.says("CLIENT", "LIST").splitlines())
    assert clients == 4, "ours and redis-cli's own"
    await asyncio.gather(*(log.create(question(f"a{n}", chat=f"c{n}")) for n in range(3000)))
    await asyncio.gather(*(log.follow(f"a{n}") for n in range(3000)))
    assert len(redis.says("CLIENT", "LIST").splitlines()) == clients
    channels = int(redis.says("CLIENT", "LIST", "TYPE", "pubsub").split(" sub=")[1].split()[0])
    assert channels <= RINGS + 2


async def test_a_deaf_doorbell_is_noticed_and_built_anew(tmp_path: Path) -> None:
    """The connection lives and carries nothing: the probe misses its own message, connects again, says that anything
    may have changed, and hears again."""
    async with _behind_a_proxy(tmp_path) as (log, direct, network):
        claim = await begun(direct)
        await log.follow("a1")
        rings = rings_of(log)
        network.forget()  # its three links, as a firewall does
        await log_back(log)
        await eventually(lambda: Ring("") in rings)
        for head in itertools.count():  # a busy machine may take it for deaf again, and rings of that time are lost
            await direct.append(claim, batch(head, 1), LEASE_S)
            with suppress(TimeoutError):
                await eventually(lambda: any(ring.answer == "a1" for ring in rings), within_s=2)
                break


async def test_a_server_that_drops_the_subscription_is_noticed(log: RedisAnswerLog, open_log: Opener) -> None:
    """The other links are healthy, and so is this one's TCP: only the messages are missing."""
    deaf = await open_log(probe_s=0.05)
    rings = rings_of(deaf)
    for channel in ("cs:news", f"cs:probe:{deaf._doorbell.id}"):
        deaf._doorbell._link.tell("UNSUBSCRIBE", channel)
    await eventually(lambda: Ring("") in rings)
    claim = await begun(log)
    rings.clear()
    await log.release(claim)
    await eventually(lambda: Ring("") in rings)


async def test_the_channels_are_bounded() -> None:
    """However many answers there are."""
    assert len({ring_channel(f"a{n}") for n in range(20_000)}) <= RINGS


async def eventually_no_subscribers(redis: RedisServer) -> None:
    await eventually(lambda: redis.says("PUBSUB", "NUMSUB", ring_channel("a1")).endswith("0"))


async def log_back(log: RedisAnswerLog) -> None:
    await eventually(lambda: not log._doorbell._link.ready)
    await eventually(lambda: log._doorbell._link.ready)


@asynccontextmanager
async def _behind_a_proxy(tmp_path: Path) -> AsyncIterator[tuple[RedisAnswerLog, RedisAnswerLog, Proxy]]:
    port = free_port()
    with redis_server(tmp_path, port=port) as server:
        async with proxy(port) as network:
            behind = f"redis://127.0.0.1:{network.port}"
            log = await RedisAnswerLog.open(behind, probe_s=0.2, patience_s=0.4)
            direct = await RedisAnswerLog.open(server.url)
            try:
                yield log, direct, network
            finally:
                await log.aclose()
                await direct.aclose()


@pytest.mark.parametrize("seal", [True, False])
async def test_a_stop_reaches_the_owner_elsewhere(log: RedisAnswerLog, other: RedisAnswerLog, seal: bool) -> None:
    """It is rung, listed for the owner and told by the next append; once it is of no use it is not listed any more."""
    claim = await begun(log)
    rings = rings_of(log)
    await other.request_stop("ada", "a1")
    await eventually(lambda: Ring("a1") in rings)
    assert await log.stop_requests("one") == ["a1"]
    if seal:
        await log.release(claim)
        await claimed(other, owner="two")
        assert await other.stop_requests("two") == ["a1"]
        assert await log.stop_requests("one") == []
