"""What every `AnswerLog` must do, sentence by sentence of the port's contract."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chatserver.answers.log import AnswerLog, Appended, Batch, Claim, Conflict, Fenced, Ring
from chatserver.answers.meta import JOBS, job_id
from chatserver.answers.states import AnswerState
from tests.contracts.answer_logs import (
    IMPLEMENTATIONS,
    LEASE_S,
    Clock,
    batch,
    begun,
    claimed,
    entry,
    question,
    read_all,
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=sorted(IMPLEMENTATIONS))
async def log(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[AnswerLog]:
    async with IMPLEMENTATIONS[request.param](tmp_path, clock) as log:
        yield log


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


async def test_ask_ids_of_users_are_apart(log: AnswerLog) -> None:
    """Another user's equal ask id is another question."""
    await log.create(question("a1", user="ada", ask_id="x"))
    meta, fresh = await log.create(question("a2", user="bob", ask_id="x"))
    assert fresh
    assert meta.answer == "a2"


async def test_a_claim_takes_a_queued_answer(log: AnswerLog, clock: Clock) -> None:
    """The claimer owns the answer for the lease; nobody else gets it meanwhile, the owner itself neither."""
    await log.create(question())
    held = await log.claim("a1", "one", LEASE_S)
    assert held is not None
    claim, meta = held
    assert claim == Claim("a1", 1, "one")
    assert meta == await log.meta("a1")
    assert (meta.state, meta.owner, meta.lease_until) == (AnswerState.RUNNING, "one", clock.now + LEASE_S)
    assert await log.claim("a1", "two", LEASE_S) is None
    assert await log.claim("a1", "one", LEASE_S) is None


async def test_an_unknown_answer_cannot_be_claimed(log: AnswerLog) -> None:
    """A claim on nothing is None; every change under an invented claim is `Fenced`."""
    assert await log.claim("nothing", "one", LEASE_S) is None
    invented = Claim("nothing", 1, "one")
    with pytest.raises(Fenced):
        await log.append(invented, batch(0, 1), LEASE_S)
    with pytest.raises(Fenced):
        await log.renew(invented, LEASE_S)
    with pytest.raises(Fenced):
        await log.release(invented)


async def test_an_expired_lease_is_claimable(log: AnswerLog, clock: Clock) -> None:
    """After the lease another owner may claim, and the generation rises by one."""
    await begun(log, entries=1)
    clock.now += LEASE_S
    assert await log.claim("a1", "two", LEASE_S) is None, "the lease lasts to its very end"
    clock.now += 0.001
    assert await claimed(log, owner="two") == Claim("a1", 2, "two")


async def test_a_renewal_extends_the_lease(log: AnswerLog, clock: Clock) -> None:
    """A renewed claim outlives its first lease."""
    claim = await begun(log)
    clock.now += LEASE_S - 1
    assert await log.renew(claim, LEASE_S) is False
    clock.now += LEASE_S - 1
    assert await log.claim("a1", "two", LEASE_S) is None
    assert await log.claimable(10) == []


async def test_an_append_extends_the_lease(log: AnswerLog, clock: Clock) -> None:
    """An append is a sign of life."""
    claim = await begun(log)
    clock.now += LEASE_S - 1
    await log.append(claim, batch(0, 1), LEASE_S)
    clock.now += LEASE_S - 1
    assert await log.claim("a1", "two", LEASE_S) is None


async def test_an_owner_whose_lease_has_expired_may_go_on(log: AnswerLog, clock: Clock) -> None:
    """An expired lease alone fences nobody: only a later claim does."""
    claim = await begun(log)
    clock.now += 10 * LEASE_S
    assert await log.append(claim, batch(0, 1), LEASE_S) == Appended(1, False)
    assert await log.claim("a1", "two", LEASE_S) is None


async def test_an_older_generation_changes_nothing(log: AnswerLog, clock: Clock) -> None:
    """Append, renewal and release of a claim that was taken over raise `Fenced`; the log stays as it was."""
    old = await begun(log, entries=2)
    clock.now += LEASE_S + 1
    await claimed(log, owner="two")
    before = (await log.meta("a1"), await read_all(log))
    with pytest.raises(Fenced):
        await log.append(old, batch(2, 1), LEASE_S)
    with pytest.raises(Fenced):
        await log.append(old, batch(2, 1, seal=AnswerState.COMPLETED), LEASE_S)
    with pytest.raises(Fenced):
        await log.renew(old, LEASE_S)
    with pytest.raises(Fenced):
        await log.release(old)
    assert (await log.meta("a1"), await read_all(log)) == before


async def test_the_same_owner_claiming_again_fences_its_older_self(log: AnswerLog, clock: Clock) -> None:
    """The fence is the generation, not the owner's name: a restarted process may have the old one's name."""
    old = await begun(log)
    clock.now += LEASE_S + 1
    new = await claimed(log, owner="one")
    with pytest.raises(Fenced):
        await log.append(old, batch(0, 1), LEASE_S)
    assert await log.append(new, batch(0, 1), LEASE_S) == Appended(1, False)


async def test_a_claim_of_somebody_else_is_fenced(log: AnswerLog) -> None:
    """The right generation under another owner's name is no claim."""
    await begun(log)
    with pytest.raises(Fenced):
        await log.append(Claim("a1", 1, "thief"), batch(0, 1), LEASE_S)
    with pytest.raises(Fenced):
        await log.renew(Claim("a1", 1, "thief"), LEASE_S)
    with pytest.raises(Fenced):
        await log.release(Claim("a1", 1, "thief"))


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


async def test_a_release_gives_the_answer_back(log: AnswerLog) -> None:
    """A released answer is queued at once, keeps its entries, and the next claim is a new generation."""
    claim = await begun(log, entries=3)
    await log.release(claim)
    meta = await log.meta("a1")
    assert meta is not None
    assert (meta.state, meta.owner, meta.head) == (AnswerState.QUEUED, None, 3)
    assert await log.claimable(10) == ["a1"]
    for change in (log.append(claim, batch(3, 1), LEASE_S), log.renew(claim, LEASE_S), log.release(claim)):
        with pytest.raises(Fenced):
            await change
    taken = await claimed(log, owner="two")
    assert taken.generation == 2
    assert await log.append(taken, batch(3, 1), LEASE_S) == Appended(4, False)


async def test_a_stop_reaches_the_owner(log: AnswerLog) -> None:
    """A requested stop is told by the next append and renewal, and by `stop_requests` of the owner only."""
    claim = await begun(log)
    meta = await log.request_stop("ada", "a1")
    assert meta is not None
    assert meta.stop_requested
    assert await log.append(claim, batch(0, 1), LEASE_S) == Appended(1, True)
    assert await log.renew(claim, LEASE_S) is True
    assert await log.stop_requests("one") == ["a1"]
    assert await log.stop_requests("two") == []


async def test_a_stop_before_the_claim_is_kept(log: AnswerLog) -> None:
    """The claim of a queued answer, and of one that was released, tells that it is to be stopped."""
    await log.create(question())
    await log.request_stop("ada", "a1")
    held = await log.claim("a1", "one", LEASE_S)
    assert held is not None
    assert held[1].stop_requested
    await log.release(held[0])
    held = await log.claim("a1", "two", LEASE_S)
    assert held is not None
    assert held[1].stop_requested


async def test_a_stop_of_a_sealed_answer_changes_nothing(log: AnswerLog) -> None:
    """It returns the answer as it is; nobody is asked to stop."""
    claim = await begun(log)
    await log.append(claim, batch(0, 1, seal=AnswerState.COMPLETED), LEASE_S)
    before = await log.meta("a1")
    assert await log.request_stop("ada", "a1") == before == await log.meta("a1")
    assert await log.stop_requests("one") == []


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


async def test_another_users_answer_does_not_exist(log: AnswerLog) -> None:
    """Stop, acknowledgement and chats treat it like one that was never asked, and change nothing of it."""
    await begun(log, entries=2)
    before = await log.meta("a1")
    for user, answer in (("bob", "a1"), ("ada", "nothing")):
        assert await log.request_stop(user, answer) is None
        assert await log.acknowledge(user, answer, 1) is None
    assert await log.chat("bob", "c1") == []
    assert await log.chats("bob", 10) == []
    assert await log.meta("a1") == before
    assert await log.meta("nothing") is None


async def test_a_chat_has_its_answers_oldest_first(log: AnswerLog) -> None:
    """By the time of the question, equal times in the order of creation, other chats and users left out."""
    for answer, at in (("late", 9.0), ("b", 2.0), ("a", 2.0), ("early", 1.0)):
        await log.create(question(answer, at=at))
    await log.create(question("elsewhere", chat="c2", at=3.0))
    await log.create(question("foreign", user="bob", at=3.0))
    assert [meta.answer for meta in await log.chat("ada", "c1")] == ["early", "b", "a", "late"]


async def test_chats_come_last_used_first(log: AnswerLog) -> None:
    """Each with its first question as the title, the time of its last, the number of answers; at most the limit."""
    for answer, chat, at in (("a", "c1", 1.0), ("b", "c2", 2.0), ("c", "c1", 3.0), ("d", "c3", 2.5)):
        await log.create(question(answer, chat=chat, at=at))
    chats = await log.chats("ada", 10)
    assert [(chat.chat, chat.title, chat.updated_at, chat.answers) for chat in chats] == [
        ("c1", "What about a?", 3.0, 2),
        ("c3", "What about d?", 2.5, 1),
        ("c2", "What about b?", 2.0, 1),
    ]
    assert [chat.chat for chat in await log.chats("ada", 2)] == ["c1", "c3"]


async def test_chats_come_page_by_page(log: AnswerLog) -> None:
    """Each page goes on after the place of the one before: no chat twice, none left out, also of one time and beside
    the user's jobs."""
    for number in range(23):
        await log.create(question(f"a{number}", chat=f"c{number}", at=float(number // 5)))
    await log.create(question(job_id("1"), chat=JOBS, at=2.0))
    every = [chat.chat for chat in await log.chats("ada", 100)]
    assert sorted(every) == sorted(f"c{number}" for number in range(23))
    paged, place = [], None
    while page := await log.chats("ada", 4, place):
        assert len(page) <= 4
        paged += [chat.chat for chat in page]
        place = page[-1].place
    assert paged == every


async def test_an_erased_user_has_nothing(log: AnswerLog, clock: Clock) -> None:
    """Answers, chats, jobs and ask ids are gone whatever their state, an owner is fenced, and nobody else loses
    anything, not even who is called almost the same."""
    claim = await begun(log, "running", entries=3)
    for answer in ("queued", "sealed"):
        await log.create(question(answer))
    await log.append(await claimed(log, "sealed"), batch(0, 2, seal=AnswerState.COMPLETED), LEASE_S)
    await log.create(question(job_id("1"), chat=JOBS))
    for number, other in enumerate(("ad?", "ada:x", "*")):
        await log.create(question(f"other{number}", user=other))
    assert sorted(await log.erase("ada")) == sorted(["running", "queued", "sealed", job_id("1")])
    for answer in ("running", "queued", "sealed", job_id("1")):
        assert (await log.meta(answer), await log.read(answer, 0, 10)) == (None, [])
    assert (await log.chats("ada", 10), await log.chat("ada", "c1"), await log.chat("ada", JOBS)) == ([], [], [])
    assert await log.of_ask("ada", "ask-queued") is None
    with pytest.raises(Fenced):
        await log.append(claim, batch(3, 1), LEASE_S)
    clock.now += LEASE_S + 1
    assert await log.claimable(10) == ["other0", "other1", "other2"]
    for number, other in enumerate(("ad?", "ada:x", "*")):
        assert [meta.answer for meta in await log.chat(other, "c1")] == [f"other{number}"]
    with pytest.raises(Fenced):
        await log.renew(claim, LEASE_S)
    assert (await log.meta("running"), await log.chats("ada", 10)) == (None, [])
    await log.create(question("later", ask_id="ask-queued"))
    assert [meta.answer for meta in await log.chat("ada", "c1")] == ["later"]
    assert await log.erase("nobody") == []


async def test_claimable_answers_come_oldest_first(log: AnswerLog, clock: Clock) -> None:
    """Queued and expired ones, whoever asked them; neither running nor sealed ones; at most the limit."""
    for answer, at in (("queued", 3.0), ("expired", 1.0), ("running", 2.0), ("sealed", 0.0)):
        await log.create(question(answer, user=answer, at=at))
    await claimed(log, "expired")
    await log.append(await claimed(log, "sealed"), batch(0, 1, seal=AnswerState.FAILED), LEASE_S)
    clock.now += LEASE_S + 1
    await claimed(log, "running")
    assert await log.claimable(10) == ["expired", "queued"]
    assert await log.claimable(1) == ["expired"]


async def test_claimable_answers_take_turns(log: AnswerLog) -> None:
    """Everybody's oldest before anybody's second, however many a user has waiting."""
    for number in range(4):
        await log.create(question(f"ada-{number}", user="ada", at=float(number)))
    await log.create(question("bob-0", user="bob", at=10.0))
    await log.create(question("eve-0", user="eve", at=11.0))
    await log.create(question("bob-1", user="bob", at=12.0))
    turns = ["ada-0", "bob-0", "eve-0", "ada-1", "bob-1", "ada-2", "ada-3"]
    assert await log.claimable(10) == turns
    assert await log.claimable(3) == turns[:3]


async def test_the_answer_of_an_ask_id(log: AnswerLog) -> None:
    """What `create` would give, for that user alone."""
    made, _ = await log.create(question("a1", user="ada"))
    assert await log.of_ask("ada", made.question.ask_id) == made
    assert await log.of_ask("bob", made.question.ask_id) is None
    assert await log.of_ask("ada", "another") is None


async def test_jobs_are_claimed_by_their_own_kind(log: AnswerLog, clock: Clock) -> None:
    """A job's log lies beside the answers: no owner of questions is offered it, no owner of jobs a question, also
    after it was released and after its lease has expired."""
    job = job_id("1")
    await log.create(question("a1", at=1.0))
    await log.create(question(job, chat=JOBS, at=2.0))
    assert (await log.claimable(10), await log.claimable(10, jobs=True)) == (["a1"], [job])
    await log.release(await claimed(log, job))
    assert (await log.claimable(10), await log.claimable(10, jobs=True)) == (["a1"], [job])
    await claimed(log, job)
    assert await log.claimable(10, jobs=True) == []
    clock.now += LEASE_S + 1
    assert await log.claimable(1, jobs=True) == [job]
    await log.append(await claimed(log, job), batch(0, 1, seal=AnswerState.COMPLETED), LEASE_S)
    assert (await log.claimable(10), await log.claimable(10, jobs=True)) == (["a1"], [])


async def test_jobs_are_no_chat(log: AnswerLog) -> None:
    """A user's jobs are read as a chat, and are not among the user's chats, however few are asked for."""
    await log.create(question("a1", at=1.0))
    await log.create(question(job_id("1"), chat=JOBS, at=2.0))
    assert [chat.chat for chat in await log.chats("ada", 1)] == ["c1"]
    assert [meta.answer for meta in await log.chat("ada", JOBS)] == [job_id("1")]


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
