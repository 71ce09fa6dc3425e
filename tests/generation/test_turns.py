"""Whose answer is told next, and what it knows of the chat."""

from dataclasses import replace

from chatserver.answers.meta import AFTER
from chatserver.answers.states import AnswerState
from tests.contracts.answer_logs import question
from tests.eventually import eventually
from tests.generation.scripted import Script, TestingLog, generating, sealed


async def test_more_questions_than_places_wait_their_turn(log: TestingLog) -> None:
    """At most `max_running` run; the others stay queued in the log and are answered as places become free."""
    script = Script(released=0)
    async with generating(log, script, max_running=3) as generations:
        for n in range(8):
            await generations.ask(question(f"a{n}", at=float(n)))
        await eventually(lambda: len(generations.inflight()) == 3)
        assert [each.answer for each in generations.inflight()] == ["a0", "a1", "a2"]
        script.release(10**6)
        for n in range(8):
            assert (await sealed(log, f"a{n}")).state is AnswerState.COMPLETED
    assert len(script.questions) == 8


async def test_users_take_turns(log: TestingLog) -> None:
    """Somebody's only question is told before the third of somebody who asked twenty."""
    script = Script(released=0)
    async with generating(log, script, max_running=2) as generations:
        for n in range(20):
            await generations.ask(question(f"a{n}", user="ada", at=float(n)))
        await eventually(lambda: len(generations.inflight()) == 2)
        await generations.ask(question("b", user="bob", at=20.0))
        script.release(10**6)
        for answer in ("b", *(f"a{n}" for n in range(20))):
            await sealed(log, answer)
    order = [asked.answer for asked in script.questions]
    assert order.index("b") <= 3, order  # two ran, and one more may have started before the others were looked at


async def test_a_user_has_no_more_answers_at_a_time_than_allowed(log: TestingLog) -> None:
    """The others wait, also where there is a free place, and leave it to another user; all are told in the end."""
    script = Script(released=0)
    async with generating(log, script, max_running=8, max_each=2) as generations:
        for n in range(6):
            await generations.ask(question(f"a{n}", user="ada", at=float(n)))
        await generations.ask(question("b", user="bob", at=6.0))
        await eventually(lambda: len(generations.inflight()) == 3)
        assert [each.answer for each in generations.inflight()] == ["a0", "a1", "b"]
        script.release(10**6)
        for answer in ("b", *(f"a{n}" for n in range(6))):
            assert (await sealed(log, answer)).state is AnswerState.COMPLETED


async def test_history_is_the_chats_earlier_turns(log: TestingLog) -> None:
    """The last ones before the question, oldest first, of this user and chat only, sealed ones only."""
    async with generating(log, Script(["spoken"]), history_turns=2) as generations:
        for n, (user, chat) in enumerate([("ada", "c1"), ("bob", "c1"), ("ada", "c2"), ("ada", "c1"), ("ada", "c1")]):
            await generations.ask(question(f"a{n}", user=user, chat=chat, at=float(n)))
            await sealed(log, f"a{n}")
    last = Script()
    async with generating(log, last) as generations:
        generations._history_turns = 2
        await generations.ask(question("a9", at=9.0))
        await sealed(log, "a9")
    assert [(turn.question, turn.answer) for turn in last.questions[0].history] == [
        ("What about a3?", "spoken"),
        ("What about a4?", "spoken"),
    ]


async def test_history_is_that_of_the_questions_branch(log: TestingLog) -> None:
    """An edited question is read with the turns before it, and what follows it with its own; the old branch is none."""
    script = Script(["spoken"])
    async with generating(log, script, history_turns=9) as generations:
        for n, after in enumerate([None, None, None, "a0", None, "a2", ""]):
            new = question(f"a{n}", at=float(n))
            await generations.ask(replace(new, options={} if after is None else {AFTER: after}))
            await sealed(log, f"a{n}")
    seen = [[turn.question.split()[-1] for turn in asked.history] for asked in script.questions]
    assert seen == [[], ["a0?"], ["a0?", "a1?"], ["a0?"], ["a0?", "a3?"], ["a0?", "a1?", "a2?"], []]
