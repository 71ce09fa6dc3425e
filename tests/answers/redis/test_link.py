"""The shared connection to Redis: addresses, one round trip for many, failing at once, coming back by itself."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest

from chatserver.answers.log import Appended, Claim, LogUnavailable
from chatserver.answers.redis import RedisAnswerLog
from chatserver.answers.redis_keys import due_member, user_key
from chatserver.answers.states import AnswerState
from chatserver.redis.address import Address
from chatserver.redis.link import RedisLink
from tests.answers.redis.conftest import Opener
from tests.contracts.answer_logs import LEASE_S, batch, begun, entry, question, read_all
from tests.contracts.redis_server import RedisServer
from tests.eventually import eventually


@pytest.fixture
async def link(redis: RedisServer) -> AsyncIterator[RedisLink]:
    link = RedisLink(Address.parse(redis.url), patience_s=30)
    await link.open()
    yield link
    await link.aclose()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://h", Address("h", 6379, None, False, None, None, 0)),
        ("rediss://u%40:p%3A@h:1/2", Address("h", 1, None, True, "u@", "p:", 2)),
        ("redis://:pw@[::1]:7", Address("::1", 7, None, False, None, "pw", 0)),
        ("unix:///run/r.sock?db=3", Address("localhost", 6379, "/run/r.sock", False, None, None, 3)),
    ],
)
def test_addresses(url: str, expected: Address) -> None:
    """Host, port, database, user, password and TLS are read from the URL."""
    assert Address.parse(url) == expected


@pytest.mark.parametrize("url", ["http://h", "redis://h/zero", "redis://h:port", "h:6379"])
def test_what_is_no_address(url: str) -> None:
    """Anything else is a `ValueError`."""
    with pytest.raises(ValueError):
        Address.parse(url)


async def test_a_wrong_password_is_told(redis: RedisServer) -> None:
    """`LogUnavailable` carries what Redis says, and not the password."""
    redis.says("CONFIG", "SET", "requirepass", "right")
    url = f"unix://:wrong@{redis.socket}"
    with pytest.raises(LogUnavailable, match="WRONGPASS") as caught:
        await RedisAnswerLog.open(url)
    assert "wrong@" not in str(caught.value)
    log = await RedisAnswerLog.open(f"unix://:right@{redis.socket}")
    await log.create(question())
    await log.aclose()


async def test_calls_of_one_turn_are_one_round_trip(link: RedisLink) -> None:
    """Whoever calls; each gets its own reply, and an error is one caller's alone."""
    reads = await _reads_processed(link)
    await link.call("SET", "text", "x")
    got = await asyncio.gather(
        *(link.call("INCR", "n") for _ in range(50)), link.call("INCR", "text"), return_exceptions=True
    )
    assert got[:50] == list(range(1, 51))
    assert isinstance(got[50], LogUnavailable)
    assert await _reads_processed(link) - reads <= 4


async def test_a_caller_that_leaves_takes_no_reply_of_others(link: RedisLink) -> None:
    """The reply of a cancelled call is dropped, and the next ones keep their order."""
    left = asyncio.create_task(link.call("ECHO", "left"))
    stayed = asyncio.create_task(link.call("ECHO", "stayed"))
    await asyncio.sleep(0)
    left.cancel()
    assert await stayed == b"stayed"


async def test_a_server_that_hangs_is_given_up(redis: RedisServer) -> None:
    """A call fails about `patience_s` after it was made, and the link is there again when the server is."""
    link = RedisLink(Address.parse(redis.url), patience_s=0.2)
    await link.open()
    os.kill(redis.pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(30):
            with pytest.raises(LogUnavailable):
                await link.call("PING")
    finally:
        os.kill(redis.pid, signal.SIGCONT)
    await eventually(lambda: link.ready)
    assert await link.call("PING") == b"PONG"
    await link.aclose()


async def test_a_pause_is_no_silence_of_the_server(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a pause of process and machine, which a jump of the loop's clock is, what was called before is answered."""
    loop = asyncio.get_running_loop()
    link = RedisLink(Address.parse(redis.url), patience_s=120)
    await link.open()
    os.kill(redis.pid, signal.SIGSTOP)
    try:
        called = asyncio.create_task(link.call("PING"))
        await asyncio.sleep(0.1)  # it is on its way, and the connection is being watched
        now = loop.time
        monkeypatch.setattr(loop, "time", lambda: now() + 1_000)
        await asyncio.sleep(0.1)  # whoever counts by the clock gives the connection up
    finally:
        os.kill(redis.pid, signal.SIGCONT)
    assert await called == b"PONG"
    await link.aclose()


async def test_no_server_is_told_at_once(redis: RedisServer) -> None:
    """Opening fails instead of waiting, and leaves no task behind."""
    redis.kill()
    before = asyncio.all_tasks()
    with pytest.raises(LogUnavailable, match="does not answer"):
        await RedisAnswerLog.open(redis.url)
    assert asyncio.all_tasks() == before
    redis.start()


@pytest.mark.parametrize("open", [RedisAnswerLog.open, lambda url: RedisLink(Address.parse(url)).open()])
async def test_who_leaves_while_connecting_leaves_no_connection(open: Callable[[str], Awaitable[object]]) -> None:
    """The server takes the connection and says nothing; the caller is cancelled: the server sees the end of it."""
    taken, ended = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.set()
        with suppress(ConnectionError):
            while await reader.read(1024):
                pass
        ended.set()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server, asyncio.timeout(30):
        before = asyncio.all_tasks()
        leaving = asyncio.ensure_future(open(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
        await taken.wait()
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        await ended.wait()
        await eventually(lambda: asyncio.all_tasks() <= before)


async def test_a_lost_reply_does_not_double_a_batch(log: RedisAnswerLog, redis: RedisServer) -> None:
    """The connection is cut again and again while batches are appended: each is there once."""
    claim = await begun(log)
    head = 0
    for n in range(30):
        if n % 5 == 0:
            redis.says("CLIENT", "KILL", "TYPE", "normal")
        head = await _insist(log, claim, head)
    await eventually(lambda: log._reads.ready)  # the connection for reads was cut as well
    assert await read_all(log) == [entry(n) for n in range(head)]


async def test_a_server_that_forgets_the_scripts_is_told_them_again(log: RedisAnswerLog, redis: RedisServer) -> None:
    """SCRIPT FLUSH is noticed by nobody."""
    claim = await begun(log, entries=1)
    redis.says("SCRIPT", "FLUSH")
    assert await log.append(claim, batch(1, 1), LEASE_S) == Appended(2, False)
    assert len(await read_all(log)) == 2


async def test_a_full_redis_is_unavailable_and_keeps_nothing_half(log: RedisAnswerLog, redis: RedisServer) -> None:
    """Out of memory: the batch is absent as a whole, and is appended when there is room again."""
    claim = await begun(log, entries=1)
    redis.says("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(LogUnavailable, match="OOM"):
        await log.append(claim, batch(1, 2), LEASE_S)
    assert await read_all(log) == [entry(0)]
    redis.says("CONFIG", "SET", "maxmemory", "0")
    assert await log.append(claim, batch(1, 2), LEASE_S) == Appended(3, False)


async def test_a_replica_is_unavailable_until_it_is_the_master(log: RedisAnswerLog, redis: RedisServer) -> None:
    """READONLY drops the connection, so that another server behind the same address is found."""
    claim = await begun(log, entries=1)
    redis.says("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(LogUnavailable):
        await log.append(claim, batch(1, 1), LEASE_S)
    redis.says("REPLICAOF", "NO", "ONE")
    await eventually(lambda: log._writes.ready)
    assert await _insist(log, claim, 1) == 2


async def test_leases_are_of_redis_clock(log: RedisAnswerLog, redis: RedisServer) -> None:
    """No node's clock takes part."""
    await begun(log)
    meta = await log.meta("a1")
    assert meta is not None
    now = float(redis.says("TIME").split()[0])
    assert LEASE_S - 2 <= meta.lease_until - now <= LEASE_S + 2


def test_no_user_reaches_anothers_keys() -> None:
    """Names with braces and colons make no key that is another user's too."""
    assert user_key("a}:ask:b", "ask", "c") != user_key("a", "ask", "b}:ask:c")
    assert user_key("a", "ask", "b").startswith("cs:{u:1:a}")


def test_the_index_sorts_by_time() -> None:
    """Also across powers of ten."""
    assert sorted([due_member(10.5, "a"), due_member(9.5, "b")]) == [due_member(9.5, "b"), due_member(10.5, "a")]


async def test_what_ended_is_compacted_and_reads_the_same(
    redis: RedisServer, open_log: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One value takes the place of its batches; every page reads as before, and the last batch is still known."""
    monkeypatch.setattr("chatserver.answers.redis_restore.REMEMBER_S", 0.0)
    monkeypatch.setattr("chatserver.answers.redis_restore._SWEEP_S", 0.01)
    log = await open_log()
    claim = await begun(log)
    for first in range(0, 300, 3):
        await log.append(claim, batch(first, 3), LEASE_S)
    last = batch(300, 1, seal=AnswerState.COMPLETED)
    size = int(await log._reads.call("MEMORY", "USAGE", "cs:{a:a1}:e"))
    await log.append(claim, last, LEASE_S)
    await _until_length(redis, 1)
    assert int(await log._reads.call("MEMORY", "USAGE", "cs:{a:a1}:e")) < size / 3  # how much less is the allocator's
    for first in (0, 1, 150, 299, 300, 301):
        for limit in (1, 7, 1000):
            assert await read_all(log, first=first, limit=limit) == [entry(n) for n in range(first, 301)]
    assert (await log.append(claim, last, LEASE_S)).head == 301


async def _until_length(redis: RedisServer, length: int) -> None:
    await eventually(lambda: redis.says("XLEN", "cs:{a:a1}:e") == str(length))


async def _insist(log: RedisAnswerLog, claim: Claim, head: int) -> int:
    """As a generation does: the same batch until it is told."""
    told = batch(head, 2 if head != 1 else 1)
    async with asyncio.timeout(60):
        while True:
            try:
                return (await log.append(claim, told, LEASE_S)).head
            except LogUnavailable:
                await asyncio.sleep(0.01)


async def _reads_processed(link: RedisLink) -> int:
    stats = (await link.call("INFO", "stats")).decode()
    return int(stats.split("total_reads_processed:")[1].split()[0])
