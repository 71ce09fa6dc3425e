"""What every `AnswerLog` must do: who may append to an answer, for how long, and who has it next."""

import pytest

from chatserver.answers.log import AnswerLog, Appended, Claim, Fenced
from chatserver.answers.meta import JOBS, job_id
from chatserver.answers.states import AnswerState
from tests.contracts.answer_logs import (
    LEASE_S,
    Clock,
    batch,
    begun,
    claimed,
    question,
    read_all,
)


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
