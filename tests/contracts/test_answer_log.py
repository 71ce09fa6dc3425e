"""What every `AnswerLog` must do, sentence by sentence of the port's contract: questions, entries, ends and rings.
Claims and what a user has stand in files beside this one."""

import pytest

from chatserver.answers.log import AnswerLog, Appended, Batch, Conflict, Fenced, Ring
from chatserver.answers.states import AnswerState
from tests.contracts.answer_logs import (
    LEASE_S,
    Clock,
    batch,
    begun,
    claimed,
    entry,
    question,
    read_all,
)


async def test_a_question_is_created_queued(log: AnswerLog) -> None:
    """A new answer is queued, without owner, entries or acknowledgement, and carries its question unchanged."""
    new = question("a1")
    meta, fresh = await log.create(new)
    assert fresh
    assert meta == await log.meta("a1")
    assert meta.question == new
    assert (meta.state, meta.owner, meta.generation) == (AnswerState.QUEUED, None, 0)
    assert (meta.head, meta.acknowledged, meta.stop_requested, meta.delivered) == (0, -1, False, False)


async def test_a_question_keeps_every_field(log: AnswerLog) -> None:
    """Filter, options, namespace and any Unicode text come back as they were given."""
    new = question("a1")
    new = type(new)(
        **{
            **{name: getattr(new, name) for name in new.__slots__},
            "text": "Hé \x00 «🧊»\n\u2028 end",
            "namespace": "tenant/é",
            "filter": {"$or": [{"a": 1.5}, {"b": {"$in": ["x", True]}}]},
            "options": {"deep": {"list": [1, None, "é"]}},
            "own_key": True,
        }
    )
    await log.create(new)
    meta = await log.meta("a1")
    assert meta is not None
    assert meta.question == new


async def test_a_known_ask_id_gives_the_first_answer(log: AnswerLog) -> None:
    """The same user's ask id never makes a second answer, whatever the rest of the question says."""
    await begun(log, entries=2)
    meta, fresh = await log.create(question("a2", chat="other", ask_id="ask-a1"))
    assert not fresh
    assert (meta.answer, meta.question.chat, meta.head) == ("a1", "c1", 2)
    assert await log.meta("a2") is None
    assert await log.chat("ada", "other") == []


async def test_entries_have_seqs_without_holes(log: AnswerLog) -> None:
    """Batches of any size make one sequence, readable from any seq with any page size."""
    claim = await begun(log)
    head = 0
    for count in (1, 5, 2, 32, 1, 9):
        appended = await log.append(claim, batch(head, count), LEASE_S)
        head += count
        assert appended == Appended(head, False)
    meta = await log.meta("a1")
    assert meta is not None
    assert meta.head == head == 50
    for first in range(head + 2):
        for limit in (1, 3, 1000):
            assert await read_all(log, first=first, limit=limit) == [entry(seq) for seq in range(first, head)]


async def test_a_page_holds_at_least_one_entry_and_about_the_limit(log: AnswerLog) -> None:
    """A read gives something when there is something, and no more than the limit plus one batch."""
    claim = await begun(log)
    for first in range(0, 320, 32):
        await log.append(claim, batch(first, 32), LEASE_S)
    for first in (0, 31, 32, 33, 319):
        assert 1 <= len(await log.read("a1", first, 1)) <= 33
    assert await log.read("a1", 320, 1) == []
    assert await log.read("nothing", 0, 10) == []


async def test_entries_of_a_megabyte_are_paged(log: AnswerLog) -> None:
    """Large entries come back whole, byte for byte, page after page."""
    claim = await begun(log)
    large = [b'{"n":%d,"x":"%s"}' % (n, b"x" * (1 << 20)) for n in range(4)]
    for seq, data in enumerate(large):
        await log.append(claim, Batch(f"b{seq}", seq, [data]), LEASE_S)
    assert await log.read("a1", 3, 10) == [large[3]]
    assert await read_all(log, limit=1000) == large


async def test_an_append_elsewhere_than_the_head_conflicts(log: AnswerLog) -> None:
    """A batch before or after the head that is no repetition raises `Conflict` and changes nothing."""
    claim = await begun(log, entries=3)
    for first in (0, 2, 4):
        with pytest.raises(Conflict):
            await log.append(claim, batch(first, 1, id=f"wrong{first}"), LEASE_S)
    assert await read_all(log) == [entry(seq) for seq in range(3)]


async def test_a_repeated_batch_is_applied_once(log: AnswerLog) -> None:
    """The same batch again returns the first result, also when others came after it and when it sealed."""
    claim = await begun(log)
    first, last = batch(0, 2), batch(2, 1, seal=AnswerState.COMPLETED)
    assert await log.append(claim, first, LEASE_S) == Appended(2, False)
    assert await log.append(claim, first, LEASE_S) == Appended(2, False)
    assert await log.append(claim, last, LEASE_S) == Appended(3, False)
    assert await log.append(claim, last, LEASE_S) == Appended(3, False)
    assert await log.append(claim, first, LEASE_S) == Appended(2, False)
    assert await read_all(log) == [entry(seq) for seq in range(3)]


async def test_a_repeated_batch_tells_of_a_stop(log: AnswerLog) -> None:
    """A stop that was requested between the two tries is not missed."""
    claim = await begun(log)
    await log.append(claim, batch(0, 1), LEASE_S)
    await log.request_stop("ada", "a1")
    assert await log.append(claim, batch(0, 1), LEASE_S) == Appended(1, True)


async def test_a_seal_is_final(log: AnswerLog, clock: Clock) -> None:
    """A sealed answer has no owner, is never claimable again, and takes nothing more from anybody."""
    for answer, state in (("c", AnswerState.COMPLETED), ("s", AnswerState.STOPPED), ("f", AnswerState.FAILED)):
        claim = await begun(log, answer)
        await log.append(claim, batch(0, 2, seal=state), LEASE_S)
        clock.now += 100 * LEASE_S
        meta = await log.meta(answer)
        assert meta is not None
        assert (meta.state, meta.owner, meta.head) == (state, None, 2)
        assert await log.claim(answer, "two", LEASE_S) is None
        assert await log.claimable(10) == []
        with pytest.raises(Fenced):
            await log.append(claim, batch(2, 1), LEASE_S)
        with pytest.raises(Fenced):
            await log.renew(claim, LEASE_S)
        with pytest.raises(Fenced):
            await log.release(claim)
        assert await read_all(log, answer) == [entry(0), entry(1)]


async def test_an_acknowledgement_moves_forward_within_the_head(log: AnswerLog) -> None:
    """It never moves back and never past the last entry; without entries it stays before the first."""
    claim = await begun(log)
    for head, seq, expected in ((0, 5, -1), (4, 1, 1), (4, 0, 1), (4, 3, 3), (4, 99, 3), (4, 2, 3)):
        if head and (meta := await log.meta("a1")) and meta.head < head:
            await log.append(claim, batch(0, head), LEASE_S)
        acknowledged = await log.acknowledge("ada", "a1", seq)
        assert acknowledged is not None
        assert acknowledged.acknowledged == expected
        assert acknowledged == await log.meta("a1")


async def test_only_a_sealed_answer_that_is_acknowledged_to_its_end_is_delivered(log: AnswerLog) -> None:
    """`undelivered` leaves out nothing else."""
    claim = await begun(log, entries=2)
    await log.acknowledge("ada", "a1", 1)

    async def undelivered() -> list[str]:
        return [meta.answer for meta in await log.chat("ada", "c1", undelivered=True)]

    assert await undelivered() == ["a1"], "still running"
    await log.append(claim, batch(2, 1, seal=AnswerState.STOPPED), LEASE_S)
    assert await undelivered() == ["a1"], "its last entry is not acknowledged"
    await log.acknowledge("ada", "a1", 2)
    assert await undelivered() == []
    assert [meta.answer for meta in await log.chat("ada", "c1")] == ["a1"]


async def test_the_first_mark_of_a_name_stays(log: AnswerLog) -> None:
    """Marks add up; a name that is marked again keeps its first time; of an unknown answer nothing is kept."""
    await log.create(question())
    await log.mark("a1", {"claimed": 1.0, "sealed": 5.0})
    await log.mark("a1", {"sealed": 9.0, "delivered": 6.0})
    assert await log.timeline("a1") == {"claimed": 1.0, "sealed": 5.0, "delivered": 6.0}
    await log.mark("nothing", {"claimed": 1.0})
    assert await log.timeline("nothing") == {}


async def test_listeners_are_rung_after_the_commit(log: AnswerLog) -> None:
    """A ring of an append carries its batch, which can be read by then; release and stop ring too."""
    claim = await begun(log)
    rings: list[Ring] = []
    log.listen(rings.append, lambda: True)
    await log.append(claim, batch(0, 2), LEASE_S)
    assert [(ring.answer, ring.first, list(ring.entries), ring.seal) for ring in rings if ring.entries] == [
        ("a1", 0, [entry(0), entry(1)], None)
    ]
    rings.clear()
    await log.request_stop("ada", "a1")
    assert "a1" in {ring.answer for ring in rings}
    rings.clear()
    await log.release(claim)
    assert "a1" in {ring.answer for ring in rings}
    rings.clear()
    claim = await claimed(log, owner="two")
    await log.append(claim, batch(2, 1, seal=AnswerState.STOPPED), LEASE_S)
    assert [(ring.first, ring.seal) for ring in rings if ring.entries] == [(2, AnswerState.STOPPED)]


async def test_what_is_refused_does_not_ring(log: AnswerLog, clock: Clock) -> None:
    """A fenced or conflicting append rings nobody: its entries are not in the log."""
    old = await begun(log)
    clock.now += LEASE_S + 1
    new = await claimed(log, owner="two")
    rings: list[Ring] = []
    log.listen(rings.append, lambda: True)
    with pytest.raises(Fenced):
        await log.append(old, batch(0, 1), LEASE_S)
    with pytest.raises(Conflict):
        await log.append(new, batch(7, 1), LEASE_S)
    assert [ring for ring in rings if ring.entries] == []


async def test_a_listener_that_has_ended_is_not_rung(log: AnswerLog) -> None:
    """Ending it twice, or after the log was closed, is no error; the others are rung on."""
    claim = await begun(log)
    kept: list[Ring] = []
    ended: list[Ring] = []
    end = log.listen(lambda ring: ended.append(ring), lambda: True)
    log.listen(kept.append, lambda: True)
    end()
    end()
    await log.append(claim, batch(0, 1), LEASE_S)
    assert ended == []
    assert kept != []
    await log.aclose()
    end()


async def test_closing_is_idempotent(log: AnswerLog) -> None:
    """A second close does nothing."""
    await log.aclose()
    await log.aclose()
