"""A process that is to end: what its generations still do, and what they hand over."""

import asyncio

from structlog.testing import capture_logs

from chatserver.answers.states import AnswerState
from chatserver.generation.generation import Pace
from tests.contracts.answer_logs import question
from tests.eventually import eventually
from tests.generation.scripted import Script, TestingLog, generating, running, sealed, words


async def test_a_drain_lets_answers_end_within_its_budget(log: TestingLog) -> None:
    """Nothing is handed over when all end in time; a question that comes meanwhile is durable and waits."""
    script = Script(released=8)
    async with generating(log, script) as generations:
        await generations.ask(question())
        await running(generations, 8)
        draining = asyncio.create_task(generations.drain(10.0))
        await asyncio.sleep(0)
        await generations.ask(question("a2"))
        script.release(100)
        assert await draining == 0
        assert (await sealed(log)).state is AnswerState.COMPLETED
    assert [meta.state for meta in await log.chat("ada", "c1")] == [AnswerState.COMPLETED, AnswerState.QUEUED]


async def test_a_drain_hands_over_what_does_not_end(log: TestingLog) -> None:
    """After the budget the claims are released: the answers are queued with all they have, not sealed."""
    script = Script(words(50), released=8)
    async with generating(log, script) as generations:
        for n in range(3):
            await generations.ask(question(f"a{n}"))
        script.release(16)
        await eventually(lambda: script.told == 24)
        assert await generations.drain(0.01) == 3
        assert generations.inflight() == []
    metas = await log.chat("ada", "c1")
    assert [(meta.state, meta.owner) for meta in metas] == [(AnswerState.QUEUED, None)] * 3
    assert sum(meta.head for meta in metas) == 24
    assert script.cancelled == 3


async def test_a_drain_hands_over_what_is_just_starting(log: TestingLog) -> None:
    """A question whose claim is on its way when the budget ends does not hold the drain for its whole answer."""
    script = Script(released=0)
    log.claims.clear()
    async with generating(log, script) as generations:
        await generations.ask(question())
        await asyncio.sleep(0)
        draining = asyncio.create_task(generations.drain(0))
        await asyncio.sleep(0.01)
        log.claims.set()
        async with asyncio.timeout(60):
            await draining
        assert generations.inflight() == []
    assert [meta.state for meta in await log.chat("ada", "c1")] == [AnswerState.QUEUED]


async def test_a_drain_ends_although_the_log_is_away(log: TestingLog) -> None:
    """A log that can't be reached can't be released to: the drain does not wait for it for ever, the leases expire."""
    script = Script(released=8)
    async with generating(log, script, pace=Pace(lease_s=0.1, linger_s=0.001)) as generations:
        with capture_logs() as events:
            await generations.ask(question())
            await running(generations, 8)
            log.away = True
            script.release(1)
            async with asyncio.timeout(60):
                await generations.drain(0.01)
    assert [event for event in events if event["log_level"] == "error"] == []


async def test_leaving_without_a_drain_cancels(log: TestingLog) -> None:
    """The claim is left to expire; no task stays behind."""
    before = len(asyncio.all_tasks())
    script = Script(released=8)
    async with generating(log, script) as generations:
        await generations.ask(question())
        await running(generations, 8)
    assert script.cancelled == 1
    assert len(asyncio.all_tasks()) == before
    assert [meta.state for meta in await log.chat("ada", "c1")] == [AnswerState.RUNNING]
