"""What every `AnswerLog` must do: what a user has, and nobody else."""

import pytest

from chatserver.answers.log import AnswerLog, Fenced
from chatserver.answers.meta import JOBS, job_id
from chatserver.answers.states import AnswerState
from tests.contracts.answer_logs import (
    LEASE_S,
    Clock,
    batch,
    begun,
    claimed,
    question,
)


async def test_ask_ids_of_users_are_apart(log: AnswerLog) -> None:
    """Another user's equal ask id is another question."""
    await log.create(question("a1", user="ada", ask_id="x"))
    meta, fresh = await log.create(question("a2", user="bob", ask_id="x"))
    assert fresh
    assert meta.answer == "a2"


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


async def test_the_answer_of_an_ask_id(log: AnswerLog) -> None:
    """What `create` would give, for that user alone."""
    made, _ = await log.create(question("a1", user="ada"))
    assert await log.of_ask("ada", made.question.ask_id) == made
    assert await log.of_ask("bob", made.question.ask_id) is None
    assert await log.of_ask("ada", "another") is None


async def test_jobs_are_no_chat(log: AnswerLog) -> None:
    """A user's jobs are read as a chat, and are not among the user's chats, however few are asked for."""
    await log.create(question("a1", at=1.0))
    await log.create(question(job_id("1"), chat=JOBS, at=2.0))
    assert [chat.chat for chat in await log.chats("ada", 1)] == ["c1"]
    assert [meta.answer for meta in await log.chat("ada", JOBS)] == [job_id("1")]
