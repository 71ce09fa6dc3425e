"""What becomes of answers when Redis loses what it had acknowledged."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from chatserver.answers.log import AnswerLog, Appended, Claim, Fenced, LogUnavailable
from chatserver.answers.meta import AnswerMeta
from chatserver.answers.redis import RedisAnswerLog
from chatserver.answers.states import AnswerState
from chatserver.redis.address import Address
from tests.answers.redis.conftest import Opener
from tests.contracts.answer_logs import batch, begun, claimed, entry, question, read_all
from tests.contracts.redis_server import RedisServer, redis_server
from tests.delivery.conformance.proxy import proxy
from tests.eventually import eventually
from tests.ports import free_port

LEASE_S = 30.0


async def known(log: AnswerLog, answer: str = "a1") -> AnswerMeta:
    meta = await log.meta(answer)
    assert meta is not None
    return meta


async def grows(log: AnswerLog, head: int, *, answer: str = "a1") -> bool:
    return (await known(log, answer)).head == head and await read_all(log, answer) == [entry(n) for n in range(head)]


async def reconnected(log: RedisAnswerLog) -> None:
    """Once its links are there again and what was lost has been looked for."""
    await eventually(lambda: log._restorer.restored and log._reads.ready and log._writes.ready, within_s=30)
    log._restorer._patience_with_run = log._restorer._patient_until = 0.0


async def test_a_flush_is_made_good_by_the_owner(log: RedisAnswerLog, redis: RedisServer) -> None:
    """After FLUSHALL the owner's next append brings all entries back, at their places, in the same epoch, and with
    them the question in its chat and under its ask id."""
    claim = await begun(log, entries=3)
    await log.append(claim, batch(3, 2), LEASE_S)
    epoch = (await known(log)).epoch
    redis.says("FLUSHALL")
    assert await log.append(claim, batch(5, 1), LEASE_S) == Appended(6, False)
    assert await grows(log, 6)
    assert (await known(log)).epoch == epoch
    assert [meta.answer for meta in await log.chat("ada", "c1")] == ["a1"]
    made, fresh = await log.create(question("a2", ask_id="ask-a1"))
    assert (made.answer, fresh) == ("a1", False)


async def test_a_renewal_notices_too(log: RedisAnswerLog, redis: RedisServer) -> None:
    """An owner that has nothing to append puts its answer back when it renews its claim."""
    claim = await begun(log, entries=3)
    redis.says("FLUSHALL")
    assert await log.renew(claim, LEASE_S) is False
    assert await grows(log, 3)


async def test_evicted_meta_is_made_again(log: RedisAnswerLog, redis: RedisServer) -> None:
    """When the meta alone is gone, the entries that are left are not added to, but replaced."""
    claim = await begun(log, entries=3)
    redis.says("DEL", "cs:{a:a1}")
    assert await log.append(claim, batch(3, 1), LEASE_S) == Appended(4, False)
    assert await grows(log, 4)


async def test_a_restart_that_lost_the_last_second(log: RedisAnswerLog, redis: RedisServer) -> None:
    """Redis comes back as it was a moment ago: entries, a seal and a question of that moment are there again, without
    anybody's asking, and readers' places hold."""
    claim = await begun(log, entries=3)
    sealed = await begun(log, "a2", entries=2)
    before = await known(log)
    redis.says("SAVE")
    await log.append(claim, batch(3, 4), LEASE_S)
    await log.append(sealed, batch(2, 1, seal=AnswerState.COMPLETED), LEASE_S)
    await log.create(question("a3"))
    redis.kill()
    redis.start()
    await reconnected(log)
    assert await grows(log, 7)
    assert await grows(log, 3, answer="a2")
    assert (await known(log, "a2")).state is AnswerState.COMPLETED
    assert (await known(log)).epoch == before.epoch
    assert "a3" in await log.claimable(10)
    assert await log.append(claim, batch(7, 1), LEASE_S) == Appended(8, False)


async def test_a_restart_whose_loss_nobody_can_make_good(
    log: RedisAnswerLog, other: RedisAnswerLog, redis: RedisServer
) -> None:
    """Redis lost its last second, and the node that had it died as well: who takes the answer over gives it another
    epoch, so that no reader's place passes for one in the log that is told now."""
    claim = await begun(log, entries=3)
    redis.says("SAVE")
    await log.append(claim, batch(3, 4), LEASE_S)
    before = await known(other)
    await log.aclose()
    redis.kill()
    redis.start()
    await reconnected(other)
    await _taken_over(redis, other)
    after = await known(other)
    assert (before.head, after.head) == (7, 3)
    assert after.epoch != before.epoch


async def test_a_restart_that_lost_nothing_keeps_the_epoch(
    log: RedisAnswerLog, other: RedisAnswerLog, redis: RedisServer
) -> None:
    """The owner that lives has seen that all is there; a later takeover is one like any other."""
    claim = await begun(log, entries=3)
    epoch = (await known(log)).epoch
    redis.says("SAVE")
    redis.kill()
    redis.start()
    await reconnected(log)
    await reconnected(other)
    await log.renew(claim, LEASE_S)
    await _taken_over(redis, other)
    assert (await known(other)).epoch == epoch


async def test_a_restart_that_lost_everything(log: RedisAnswerLog, redis: RedisServer) -> None:
    """The same without any persistence: what is under way or ended just now is whole again."""
    claim = await begun(log, entries=3)
    sealed = await begun(log, "a2", entries=2)
    await log.append(sealed, batch(2, 1, seal=AnswerState.STOPPED), LEASE_S)
    redis.kill()
    redis.start()
    await reconnected(log)
    assert await grows(log, 3)
    assert (await known(log, "a2")).state is AnswerState.STOPPED
    assert await log.append(claim, batch(3, 1), LEASE_S) == Appended(4, False)


async def test_a_stale_replica_takes_over(log: RedisAnswerLog, other: RedisAnswerLog, redis: RedisServer) -> None:
    """The log goes back behind a takeover. The newer owner's next sign of life puts its claim and its entries back;
    the older one, whose claim the stale log shows, stays fenced."""
    old = await begun(log, entries=3)
    redis.says("SAVE")
    await other.append(await _taken_over(redis, other), batch(3, 2), LEASE_S)
    redis.kill()
    redis.start()
    await reconnected(other)
    await reconnected(log)
    assert await grows(log, 5)
    assert (await known(log)).owner == "two"
    with pytest.raises(Fenced):
        await log.append(old, batch(3, 1), LEASE_S)


async def test_what_cannot_be_made_whole_gets_another_epoch(
    log: RedisAnswerLog, other: RedisAnswerLog, redis: RedisServer
) -> None:
    """An owner that took over does not have the entries of the one before it. When those are lost, the answer begins
    anew in another epoch, for another owner."""
    await begun(log, entries=3)
    claim = await _taken_over(redis, other)
    await other.append(claim, batch(3, 2), LEASE_S)
    before = await known(other)
    redis.says("FLUSHALL")
    with pytest.raises(Fenced):
        await other.append(claim, batch(5, 1), LEASE_S)
    after = await known(other)
    assert (after.state, after.head, after.generation) == (AnswerState.QUEUED, 0, before.generation + 1)
    assert after.epoch != before.epoch
    assert await other.claimable(10) == ["a1"]
    assert [meta.answer for meta in await other.chat("ada", "c1")] == ["a1"]


async def test_entries_that_differ_are_no_beginning(log: RedisAnswerLog, redis: RedisServer) -> None:
    """A log of the same length with other entries is not continued: another epoch."""
    claim = await begun(log, entries=3)
    before = await known(log)
    redis.says("HSET", "cs:{a:a1}", "x", "0123456789abcdef")
    with pytest.raises(Fenced):
        await log.append(claim, batch(3, 1), LEASE_S)
    assert (await known(log)).epoch != before.epoch


async def test_lost_entries_of_a_running_answer_begin_anew(log: RedisAnswerLog, redis: RedisServer) -> None:
    """A meta without its entries does not pass for whole: the first reader makes the answer begin in another epoch."""
    await begun(log, entries=3)
    before = await known(log)
    redis.says("DEL", "cs:{a:a1}:e")
    assert await log.read("a1", 0, 10) == []
    after = await known(log)
    assert (after.head, after.state) == (0, AnswerState.QUEUED)
    assert after.epoch != before.epoch
    assert await log.claimable(10) == ["a1"]


async def test_lost_entries_of_a_sealed_answer_are_gone(log: RedisAnswerLog, redis: RedisServer) -> None:
    """Nobody can tell it again: there is no such answer any more."""
    claim = await begun(log)
    await log.append(claim, batch(0, 3, seal=AnswerState.COMPLETED), LEASE_S)
    redis.says("DEL", "cs:{a:a1}:e")
    assert await log.read("a1", 1, 10) == []
    assert await log.meta("a1") is None


async def test_a_question_whose_log_is_gone_is_asked_anew(log: RedisAnswerLog, redis: RedisServer) -> None:
    """The ask id still names the answer: it is made again under its name, and can be claimed."""
    await log.create(question("a1"))
    redis.says("DEL", "cs:{a:a1}", "cs:due")
    made, fresh = await log.create(question("a2", ask_id="ask-a1"))
    assert (made.answer, fresh) == ("a1", True)
    assert await log.claimable(10) == ["a1"]


async def test_an_asking_cut_short_is_finished_by_the_next(log: RedisAnswerLog, redis: RedisServer) -> None:
    """A process died between making a question and putting it up for owners: who asks again does that."""
    await log.create(question("a1"))
    redis.says("DEL", "cs:due")
    redis.says("PEXPIRE", "cs:{a:a1}", "60000")
    made, fresh = await log.create(question("a2", ask_id="ask-a1"))
    assert (made.answer, fresh) == ("a1", False)
    assert await log.claimable(10) == ["a1"]
    assert redis.says("TTL", "cs:{a:a1}") == "-1"


async def test_appends_wait_and_are_made_in_order_when_redis_was_away(open_log: Opener, redis: RedisServer) -> None:
    """While it is away every call fails at once; afterwards the same batches find their places."""
    log = await open_log(patience_s=60.0)
    claim = await begun(log, entries=1)
    redis.kill()
    began = asyncio.get_running_loop().time()
    for _ in range(3):
        with pytest.raises(LogUnavailable):
            await log.append(claim, batch(1, 2), LEASE_S)
    assert asyncio.get_running_loop().time() - began < 30.0
    redis.start()
    await reconnected(log)
    assert await log.append(claim, batch(1, 2), LEASE_S) == Appended(3, False)
    assert await grows(log, 3)


async def _taken_over(redis: RedisServer, by: RedisAnswerLog) -> Claim:
    """The lease is expired by hand."""
    redis.says("HSET", "cs:{a:a1}", "l", "1")
    return await claimed(by, owner="two")


async def test_an_owner_that_comes_late_leaves_what_was_told_anew(tmp_path: Path) -> None:
    """Redis lost an answer that had ended, and its owner comes back only when another node has been asked for it and
    has told it anew: that stands, under another epoch than the first, and its entries are not mixed."""
    port = free_port()
    (tmp_path / "late").mkdir()
    with redis_server(tmp_path / "late", port=port) as redis:
        async with proxy(port) as network, AsyncExitStack() as stack:
            late = await RedisAnswerLog.open(f"redis://127.0.0.1:{network.port}", patience_s=0.5)
            stack.push_async_callback(late.aclose)
            asked_at = await RedisAnswerLog.open(redis.url)
            stack.push_async_callback(asked_at.aclose)
            await asked_at.create(question())
            claim = await claimed(late, owner="one")
            await late.append(claim, batch(0, 3, seal=AnswerState.COMPLETED), LEASE_S)
            before = await known(asked_at)
            network.stall()
            redis.kill()
            redis.start()
            await reconnected(asked_at)
            again = await claimed(asked_at, owner="two")
            await asked_at.append(again, batch(0, 5, seal=AnswerState.COMPLETED), LEASE_S)
            network.flow()
            await reconnected(late)
            after = await known(late)
            assert (after.state, after.head) == (AnswerState.COMPLETED, 5)
            assert after.epoch != before.epoch
            assert await grows(late, 5)
            assert await late.claimable(10) == []


async def test_every_link_may_come_back_later(log: RedisAnswerLog, redis: RedisServer) -> None:
    """A new Redis is given its time however often our own links to it are lost meanwhile."""
    await begun(log, entries=3)
    redis.kill()
    redis.start()
    await eventually(lambda: log._restorer.restored and log._reads.ready and log._writes.ready)
    log._restorer._patience_with_run = log._restorer._patient_until = asyncio.get_running_loop().time() + 60
    redis.says("CLIENT", "KILL", "TYPE", "normal")
    await eventually(lambda: not (log._reads.ready and log._writes.ready))
    await eventually(lambda: log._reads.ready and log._writes.ready and not log._restorer._reconnected.is_set())
    await asyncio.sleep(0.05)
    with pytest.raises(LogUnavailable, match="started anew"):
        await log.claimable(10)


async def test_nothing_is_gone_before_the_link_that_puts_it_back_is_there(
    log: RedisAnswerLog, redis: RedisServer
) -> None:
    """Readers' link to a new Redis is back before the writers': what is not there yet is not told to be gone."""
    await begun(log, entries=3)
    (writes,) = log._writes.masters.values()
    place = writes._address
    at = Address.parse(f"redis://127.0.0.1:{free_port()}")  # nobody listens there
    writes._elsewhere = lambda: at
    redis.kill()
    redis.start()
    await eventually(lambda: log._reads.ready, within_s=30)
    for _ in range(50):
        with pytest.raises(LogUnavailable):
            await log.meta("a1")
        await asyncio.sleep(0.002)
    await eventually(lambda: log._restorer.lacks_ours, within_s=30)
    log._restorer._patience_with_run = log._restorer._patient_until = 0.0
    with pytest.raises(LogUnavailable):
        await log.meta("a1")
    at = place
    await reconnected(log)
    assert await grows(log, 3)


async def test_a_sealed_log_that_differs_is_not_told_on(log: RedisAnswerLog, redis: RedisServer) -> None:
    """Whoever sealed it: an answer has one end. Its readers are told by another epoch."""
    claim = await begun(log, entries=3)
    before = await known(log)
    redis.says("HSET", "cs:{a:a1}", "g", "0", "x", "0123456789abcdef", "s", "completed")
    with pytest.raises(Fenced):
        await log.append(claim, batch(3, 1), LEASE_S)
    after = await known(log)
    assert (after.state, after.head) == (AnswerState.COMPLETED, 3)
    assert after.epoch != before.epoch


async def test_many_answers_are_put_back_at_once(log: RedisAnswerLog, redis: RedisServer) -> None:
    """Hundreds of ended answers and questions are there again within the time that others wait for them."""
    for n in range(300):
        claim = await begun(log, f"a{n}")
        await log.append(claim, batch(0, 3, seal=AnswerState.COMPLETED), LEASE_S)
    redis.kill()
    redis.start()
    await reconnected(log)
    reads = int(redis.says("INFO", "stats").split("total_reads_processed:")[1].split()[0])
    assert reads < 300, "not a round trip for each"
    assert all([await grows(log, 3, answer=f"a{n}") for n in range(300)])
