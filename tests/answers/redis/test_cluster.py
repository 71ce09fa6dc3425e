"""A cluster of three real masters behind one address: what is told at one is found at all, wherever its slots go."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path

import pytest

from chatserver.answers.log import Appended, Claim, LogUnavailable
from chatserver.answers.redis import RedisAnswerLog
from chatserver.answers.redis_keys import entries_key, meta_key
from chatserver.answers.redis_report import describe
from chatserver.answers.states import AnswerState
from chatserver.embeddings.port import key_of
from chatserver.embeddings.redis_cache import RedisCache
from chatserver.redis.slots import slot_of
from tests.answers.redis.conftest import Opener
from tests.contracts.answer_logs import LEASE_S, batch, begun, claimed, entry, question, read_all
from tests.contracts.redis_cluster import RedisCluster, redis_cluster, shared_cluster
from tests.contracts.redis_server import RedisServer
from tests.eventually import eventually

_names = count()
SOON_S = 30.0
"""The machine may be busy."""


@pytest.fixture(scope="module")
def cluster() -> RedisCluster:
    return shared_cluster()


@pytest.fixture
async def open_log(cluster: RedisCluster) -> AsyncIterator[Opener]:
    """Each log is told of another master."""
    cluster.flush()
    async with AsyncExitStack() as stack:

        async def opened() -> RedisAnswerLog:
            url = cluster.masters[next(_names) % 3].url
            log = await RedisAnswerLog.open(url, patience_s=20.0, probe_s=0.2)
            stack.push_async_callback(log.aclose)
            return log

        yield opened


@pytest.fixture
async def log(open_log: Opener) -> RedisAnswerLog:
    return await open_log()


@pytest.fixture
async def other(open_log: Opener) -> RedisAnswerLog:
    return await open_log()


def at(cluster: RedisCluster, master: RedisServer) -> str:
    """The name of an answer whose slot this master has."""
    return next(name for n in count() if cluster.master_of(meta_key(name := f"a{n}")) is master)


async def test_answers_lie_at_all_masters(log: RedisAnswerLog, other: RedisAnswerLog, cluster: RedisCluster) -> None:
    """Thirty answers of a chat, told through one address, are read, listed and claimed through another."""
    answers = [f"a{n}" for n in range(30)]
    for answer in answers:
        await log.append(await begun(log, answer), batch(0, 2, seal=AnswerState.COMPLETED), LEASE_S)
    assert [meta.answer for meta in await other.chat("ada", "c1")] == answers
    assert [await read_all(other, answer) for answer in answers] == [[entry(0), entry(1)]] * 30
    await other.create(question("waits"))
    assert await log.claimable(10) == ["waits"]
    await claimed(log, "waits")
    assert all(int(master.says("DBSIZE")) >= 10 for master in cluster.masters)


async def test_a_name_that_the_cluster_does_not_know(cluster: RedisCluster) -> None:
    """The server behind it is not connected to twice, under our name and under its own."""
    log = await RedisAnswerLog.open(f"redis://localhost:{cluster.masters[0].port}", patience_s=20.0)
    hosts = sorted(address.host for address in log._writes.masters)
    await log.aclose()
    assert hosts == ["127.0.0.1", "127.0.0.1", "localhost"]


async def test_rings_come_from_every_master(log: RedisAnswerLog, other: RedisAnswerLog, cluster: RedisCluster) -> None:
    """One subscription hears what is appended at any of them."""
    answers = [at(cluster, master) for master in cluster.masters]
    heard: list[str] = []
    other.listen(lambda ring: heard.append(ring.answer), lambda: True)
    for answer in answers:
        claim = await begun(log, answer)
        await other.follow(answer)
        await log.append(claim, batch(0, 1), LEASE_S)
    await eventually(lambda: set(answers) <= set(heard))


async def test_connections_are_few(log: RedisAnswerLog, cluster: RedisCluster) -> None:
    """Two to each master and one that hears, after one chat and after a thousand."""

    def connections() -> int:
        lists = [master.says("CLIENT", "LIST").splitlines() for master in cluster.masters]
        return sum("name=chatserver" in client for clients in lists for client in clients)

    assert connections() == 7
    await asyncio.gather(*(log.create(question(f"a{n}", chat=f"c{n}")) for n in range(1000)))
    await asyncio.gather(*(log.follow(f"a{n}") for n in range(1000)))
    assert connections() == 7


async def test_a_slot_that_moved_is_found(log: RedisAnswerLog, cluster: RedisCluster) -> None:
    """What is there is read, and goes on, at its new master; then it moves back."""
    home, guest, _ = cluster.masters
    answer = at(cluster, home)
    claim = await begun(log, answer, entries=2)
    for n, (old, new) in enumerate(((home, guest), (guest, home)), 1):
        move(cluster, answer, old, new)
        await log.append(claim, batch(2 * n, 2), LEASE_S)
        assert len(await read_all(log, answer)) == 2 * n + 2
        assert await log.renew(claim, LEASE_S) is False
    assert (await log.append(claim, batch(6, 1, seal=AnswerState.COMPLETED), LEASE_S)).head == 7


async def test_a_slot_that_moves_while_its_answer_is_told(
    log: RedisAnswerLog, other: RedisAnswerLog, cluster: RedisCluster
) -> None:
    """With the meta at one end and the entries at the other both wait; nothing is missing, doubled, or begun anew. A
    question that is asked in the slot meanwhile is taken when it has moved."""
    home, _, guest = cluster.masters
    answer = at(cluster, home)
    slot = slot_of(meta_key(answer).encode())
    claim, told = await begun(log, answer, entries=1), asyncio.Event()
    head = 1

    async def tell() -> None:
        nonlocal head
        while not told.is_set():
            head = (await insist(log, claim, head)).head

    async with asyncio.TaskGroup() as group:
        group.create_task(tell())
        for old, new in ((home, guest), (guest, home)):
            cluster.begin_to_move(slot, new, of=old)
            await grows(lambda: head)
            for key in (meta_key(answer), entries_key(answer)):
                await asyncio.to_thread(cluster.move_key, key, new, of=old)
            await grows(lambda: head)  # sent on by ASK
            assert await other.read(answer, 0, 1)
            await asyncio.to_thread(cluster.end_to_move, slot, new)
            await grows(lambda: head)
        told.set()
    assert await read_all(other, answer) == [entry(n) for n in range(head)]
    meta = await other.meta(answer)
    assert meta is not None
    assert (meta.generation, meta.epoch) == (1, f"e-{answer}")


async def test_who_meets_keys_of_one_script_apart_waits(log: RedisAnswerLog, cluster: RedisCluster) -> None:
    """TRYAGAIN is no error of anybody's: the append is done when the second key has followed the first."""
    home, guest, _ = cluster.masters
    answer = at(cluster, home)
    claim, slot = await begun(log, answer, entries=1), slot_of(meta_key(answer).encode())
    cluster.begin_to_move(slot, guest, of=home)
    cluster.move_key(meta_key(answer), guest, of=home)
    home.says("CONFIG", "RESETSTAT")
    appended = asyncio.create_task(log.append(claim, batch(1, 1), LEASE_S))
    await eventually(lambda: "errorstat_TRYAGAIN" in home.says("INFO", "errorstats"))
    assert not appended.done()
    cluster.move_key(entries_key(answer), guest, of=home)
    assert await appended == Appended(2, False)
    cluster.end_to_move(slot, guest)
    move(cluster, answer, guest, home)


async def test_a_master_that_dies_is_followed_by_its_replica(tmp_path: Path) -> None:
    """The replica lacks what was told last; the map is learned from the others, and what is missing is put back: the
    same entries at their places, under the same claim."""
    with redis_cluster(tmp_path, replicas=1) as cluster:
        (replica,), master = cluster.replicas, cluster.masters[0]
        log = await RedisAnswerLog.open(cluster.masters[1].url, patience_s=20.0, probe_s=0.2)
        other = await RedisAnswerLog.open(replica.url, patience_s=20.0, probe_s=0.2)
        answer = at(cluster, master)
        claim = await begun(log, answer, entries=2)
        elsewhere = await begun(log, at(cluster, cluster.masters[1]), entries=1)
        await eventually(lambda: replica.says("DBSIZE") == master.says("DBSIZE") != "0", within_s=SOON_S)
        replica.signal(signal.SIGSTOP)
        master.says("CLIENT", "KILL", "TYPE", "replica")
        await log.append(claim, batch(2, 3), LEASE_S)
        master.kill()
        replica.signal(signal.SIGCONT)
        with pytest.raises(LogUnavailable):
            await other.meta(answer)
        assert (await log.append(elsewhere, batch(1, 1), LEASE_S)).head == 2, "the other masters' answers go on"
        assert replica.says("CLUSTER", "FAILOVER", "TAKEOVER") == "OK"
        assert (await insist(log, claim, 5)).head == 6
        assert await insist_on_all(other, answer, 6) == [entry(n) for n in range(6)]
        meta = await other.meta(answer)
        assert meta is not None
        assert (meta.generation, meta.epoch) == (1, f"e-{answer}")
        await log.aclose()
        await other.aclose()


async def test_check_tells_of_the_cluster(cluster: RedisCluster) -> None:
    """How many masters, and what all of them promise."""
    assert (await describe(cluster.url)).startswith("cluster of 3 masters, Redis 7.")
    cluster.masters[2].says("CONFIG", "SET", "appendonly", "yes")
    said = await describe(cluster.url)
    cluster.masters[2].says("CONFIG", "SET", "appendonly", "no")
    assert "fsync everysec and Redis" in said
    assert "no append-only file" in said


async def test_vectors_lie_at_all_masters(cluster: RedisCluster) -> None:
    """The cache takes the same address."""
    cache = await RedisCache.open(cluster.url, keep_s=60, call_s=30)
    vectors = {key_of("space", str(n)): [float(n)] for n in range(100)}
    await cache.put(vectors)
    assert await cache.get(list(vectors)) == vectors
    await cache.aclose()


async def test_the_doorbell_finds_another_master(log: RedisAnswerLog, cluster: RedisCluster) -> None:
    """A deaf or lost subscription is built anew at any of them that answers."""
    (mine,) = (master for master in cluster.masters if "sub=2" in master.says("CLIENT", "LIST", "TYPE", "pubsub"))
    mine.says("CLIENT", "KILL", "TYPE", "pubsub")
    await eventually(lambda: not log._doorbell._link.ready)
    await eventually(lambda: log._doorbell._link.ready)
    rings: list[str] = []
    log.listen(lambda ring: rings.append(ring.answer), lambda: True)
    mine.says("PUBLISH", "cs:news", "somebody 3 a1")
    await eventually(lambda: "a1" in rings)


def move(cluster: RedisCluster, answer: str, old: RedisServer, new: RedisServer) -> None:
    slot = slot_of(meta_key(answer).encode())
    cluster.begin_to_move(slot, new, of=old)
    for key in old.says("CLUSTER", "GETKEYSINSLOT", str(slot), "100").splitlines():
        cluster.move_key(key, new, of=old)
    cluster.end_to_move(slot, new)


async def insist(log: RedisAnswerLog, claim: Claim, head: int) -> Appended:
    """As a generation does: the same batch until it is told."""
    told = batch(head, 1)
    async with asyncio.timeout(SOON_S):
        while True:
            try:
                return await log.append(claim, told, LEASE_S)
            except LogUnavailable:
                await asyncio.sleep(0.01)


async def grows(head: Callable[[], int]) -> None:
    before = head()
    await eventually(lambda: head() > before, within_s=SOON_S)


async def insist_on_all(log: RedisAnswerLog, answer: str, count: int) -> list[bytes]:
    async with asyncio.timeout(SOON_S):
        while True:
            try:
                if len(read := await read_all(log, answer)) >= count:
                    return read
            except LogUnavailable:
                pass
            await asyncio.sleep(0.01)
