"""Generations: from a question to its seal, through stops, failures, a log that is away, and a drain."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from chatserver.answers.meta import AFTER
from chatserver.answers.states import AnswerState
from chatserver.generation.generation import Pace
from chatserver.generation.generations import Generations
from chatserver.pipeline.port import Pipeline, Question
from chatserver.protocol import chunks
from chatserver.protocol.chunks import Chunk, Citation
from tests.contracts.answer_logs import Clock, question
from tests.eventually import eventually
from tests.generation.scripted import PACE, Script, TestingLog, logged, running, sealed, whole, words

ERROR = chunks.error("Something went wrong on our side.", "internal")


@asynccontextmanager
async def generating(log: TestingLog, pipeline: Pipeline, **options: Any) -> AsyncGenerator[Generations, None]:
    async with Generations(log, pipeline, **{"pace": PACE, "owner": "one", "clock": log._clock, **options}) as each:
        yield each


class Tell:
    """A pipeline of one generator function."""

    def __init__(self, tell: Callable[[], AsyncGenerator[Chunk, None]]) -> None:
        self._tell = tell

    def run(self, question: Question, told: Sequence[Chunk] = ()) -> AsyncGenerator[Chunk, None]:
        return self._tell()

    async def citations(self, question: Question, told: Sequence[Chunk], text: str) -> Sequence[Citation]:
        return ()


def types(entries: Sequence[Chunk]) -> list[str]:
    return [entry["type"] for entry in entries]


async def test_an_answer_is_told_to_its_end(log: TestingLog) -> None:
    """What the pipeline tells is the log, in order and once; the answer is completed and nothing is in flight."""
    script = Script(words(50))
    async with generating(log, script) as generations:
        meta = await generations.ask(question())
        assert meta.answer == "a1"
        assert (await sealed(log)).state is AnswerState.COMPLETED
        assert await logged(log) == whole(words(50))
        await eventually(lambda: generations.inflight() == [])
    timeline = await log.timeline("a1")
    assert {"claimed", "first_text", "last_text", "sealed"} <= timeline.keys()
    assert "what" not in timeline


async def test_the_question_reaches_the_pipeline_whole(log: TestingLog) -> None:
    """Text, chat, user, options and the time in UTC."""
    script = Script()
    async with generating(log, script) as generations:
        await generations.ask(question(at=86_400.0))
        await sealed(log)
    (asked,) = script.questions
    assert (asked.answer, asked.chat, asked.user, asked.text) == ("a1", "c1", "ada", "What about a1?")
    assert asked.asked_at.isoformat() == "1970-01-02T00:00:00+00:00"
    assert asked.history == ()


async def test_a_known_ask_starts_nothing(log: TestingLog) -> None:
    """The same ask id again, during and after the answer, gives the first answer and runs no second pipeline."""
    script = Script(released=3)
    async with generating(log, script) as generations:
        for _ in range(3):
            assert (await generations.ask(question())).answer == "a1"
        script.release(100)
        await sealed(log)
        assert (await generations.ask(question("a2", ask_id="ask-a1"))).answer == "a1"
    assert len(script.questions) == 1


async def test_the_first_entries_are_not_held_back(log: TestingLog) -> None:
    """An entry is in the log before the pipeline tells the next one."""
    script = Script(released=0)
    async with generating(log, script) as generations:
        await generations.ask(question())
        for count in range(1, 8):
            script.release(1)
            await running(generations, count)
        assert await logged(log) == whole(words(5))[:7]


async def test_a_stop_keeps_what_was_told(log: TestingLog) -> None:
    """Mid-stream: the pipeline is cancelled, the open text is closed, `abort` seals the answer as stopped."""
    script = Script(released=8)
    async with generating(log, script) as generations:
        await generations.ask(question())
        await running(generations, 8)
        stopped = await generations.stop("ada", "a1")
        assert stopped is not None
        assert stopped.stop_requested
        assert (await sealed(log)).state is AnswerState.STOPPED
    assert script.cancelled == 1
    assert await logged(log) == [*whole(words(5))[:8], chunks.text_end("t"), chunks.abort("stopped")]


@pytest.mark.parametrize(
    ("cites", "cited"), [("pumps#0", [chunks.citation("pumps#0", "Pumps", 0, 6, "its words")]), ("fails", [])]
)
async def test_a_stopped_text_is_cited(log: TestingLog, cites: str, cited: list[Citation]) -> None:
    """What was said up to the stop keeps its citations; that they can't be told costs nothing else."""
    script = Script(released=8, cites=cites)
    async with generating(log, script) as generations:
        await generations.ask(question())
        await running(generations, 8)
        await generations.stop("ada", "a1")
        assert (await sealed(log)).state is AnswerState.STOPPED
    assert await logged(log) == [*whole(words(5))[:8], chunks.text_end("t", cited), chunks.abort("stopped")]


@pytest.mark.parametrize("entries", range(len(whole(words(5))) + 1))
async def test_a_stop_at_any_entry_seals_once(log: TestingLog, entries: int) -> None:
    """Wherever the stop comes, exactly one terminal entry is last, and every text that was begun is ended."""
    script = Script(released=entries)
    async with generating(log, script) as generations:
        await generations.ask(question())
        await eventually(lambda: script.told == entries)
        await generations.stop("ada", "a1")
        await sealed(log)
    told = types(await logged(log))
    assert [kind for kind in told if kind in chunks.TERMINAL] == told[-1:]
    assert told.count("text-start") == told.count("text-end")


async def test_a_stop_before_the_claim(log: TestingLog) -> None:
    """An answer that is stopped while it waits for its claim runs no pipeline and is sealed as stopped."""
    script = Script()
    log.claims.clear()
    async with generating(log, script) as generations:
        await generations.ask(question())
        await generations.stop("ada", "a1")
        log.claims.set()
        assert (await sealed(log)).state is AnswerState.STOPPED
    assert script.questions == []
    assert types(await logged(log)) == ["start", "abort"]


async def test_a_stop_asked_for_elsewhere(log: TestingLog) -> None:
    """A stop that another process notes in the log reaches the generation at its next sign of life."""
    script = Script(released=8)
    async with generating(log, script) as generations:
        await generations.ask(question())
        await running(generations, 8)
        await log.request_stop("ada", "a1")
        assert (await sealed(log)).state is AnswerState.STOPPED


async def test_nobody_stops_the_answer_of_another_user(log: TestingLog) -> None:
    """It is none of theirs: None, and the answer goes on."""
    script = Script(released=8)
    async with generating(log, script) as generations:
        await generations.ask(question())
        assert await generations.stop("bob", "a1") is None
        assert await generations.stop("ada", "nothing") is None
        script.release(100)
        assert (await sealed(log)).state is AnswerState.COMPLETED


@pytest.mark.parametrize(
    "failure",
    [RuntimeError("boom"), TimeoutError("an upstream"), asyncio.CancelledError("a task of its own"), KeyError("x")],
    ids=lambda failure: type(failure).__name__,
)
@pytest.mark.parametrize("entries", [0, 3, 8])
async def test_a_pipeline_that_breaks_is_sealed_as_failed(
    log: TestingLog, failure: BaseException, entries: int
) -> None:
    """Whatever it raises, a time-out or a cancelled task of its own included: the open text is closed, one `error`
    seals the answer, none of the exception's words reach the user. There is a `start` in any case."""
    script = Script(released=entries, failure=failure)
    async with generating(log, script) as generations:
        with capture_logs() as events:
            await generations.ask(question())
            assert (await sealed(log)).state is AnswerState.FAILED
    assert [event["event"] for event in events if event["log_level"] == "error"] == ["pipeline broke"]
    closing = [chunks.text_end("t")] if entries > 5 else []
    assert await logged(log) == [*whole(words(5))[: max(1, entries)], *closing, ERROR]


async def test_a_pipeline_without_a_terminal_entry_is_sealed_as_failed(log: TestingLog) -> None:
    """It broke the grammar; the answer still ends."""

    async def tell() -> AsyncGenerator[Chunk, None]:
        yield chunks.start("a1")

    async with generating(log, Tell(tell)) as generations:
        with capture_logs():
            await generations.ask(question())
            assert (await sealed(log)).state is AnswerState.FAILED
    assert await logged(log) == [chunks.start("a1"), ERROR]


@pytest.mark.parametrize("terminal", [chunks.finish(), chunks.error("No.", "model_down"), chunks.abort("odd")])
async def test_nothing_follows_a_terminal_entry(log: TestingLog, terminal: Chunk) -> None:
    """A pipeline that goes on after its terminal entry is not listened to."""

    async def tell() -> AsyncGenerator[Chunk, None]:
        yield chunks.start("a1")
        yield terminal
        for _ in range(3 * PACE.buffer_entries):
            yield chunks.text_delta("t", "and another thing")

    async with generating(log, Tell(tell)) as generations:
        await generations.ask(question())
        await sealed(log)
        await eventually(lambda: generations.inflight() == [])
    assert await logged(log) == [chunks.start("a1"), terminal]


@pytest.mark.parametrize("bad", ["\ud83d", 2**70, {1, 2}], ids=["lone surrogate", "huge int", "no JSON value"])
async def test_an_entry_that_is_no_json_is_sealed_as_failed(log: TestingLog, bad: object) -> None:
    """A pipeline that tells what can't be written is broken; the answer is not tried again for ever."""

    async def tell() -> AsyncGenerator[Chunk, None]:
        yield chunks.start("a1")
        yield chunks.data("notice", {"x": bad})
        yield chunks.finish()

    async with generating(log, Tell(tell)) as generations:
        with capture_logs():
            await generations.ask(question())
            assert (await sealed(log)).state is AnswerState.FAILED
    assert await logged(log) == [chunks.start("a1"), ERROR]


async def test_a_log_that_is_away_for_a_while(log: TestingLog) -> None:
    """The same batch is tried again, under the same id, until it is in; order and entries are as if nothing was."""
    log.refuse = 3
    async with generating(log, Script(words(20))) as generations:
        with capture_logs():
            await generations.ask(question())
            await sealed(log)
    assert await logged(log) == whole(words(20))
    assert len({batch.id for batch in log.batches[:4]}) == 1
    assert len({batch.id for batch in log.batches}) == len(log.batches) - 3


async def test_a_reply_that_is_lost_doubles_nothing(log: TestingLog) -> None:
    """The append was done and its reply lost: trying again under the batch's id changes nothing."""
    log.refuse, log.after = 2, True
    async with generating(log, Script(words(20))) as generations:
        with capture_logs():
            await generations.ask(question())
            await sealed(log)
    assert await logged(log) == whole(words(20))


async def test_a_slow_log_holds_the_pipeline_up(log: TestingLog) -> None:
    """No more is told than the buffer and one batch hold; when the log goes on, so does the pipeline."""
    script = Script(words(200))
    log.open.clear()
    async with generating(log, script) as generations:
        await generations.ask(question())
        await eventually(lambda: script.told >= PACE.buffer_entries)
        await asyncio.sleep(0.02)  # whatever more it would tell
        assert script.told <= PACE.buffer_entries + PACE.batch_entries + 1
        log.open.set()
        await sealed(log)
    assert await logged(log) == whole(words(200))
    assert max(len(batch.entries) for batch in log.batches) <= PACE.batch_entries


async def test_a_stop_reaches_a_pipeline_that_is_held_up(log: TestingLog) -> None:
    """A full buffer does not make an answer unstoppable."""
    script = Script(words(500))
    log.open.clear()
    async with generating(log, script) as generations:
        await generations.ask(question())
        await eventually(lambda: script.told >= PACE.buffer_entries)
        await generations.stop("ada", "a1")
        log.open.set()
        assert (await sealed(log)).state is AnswerState.STOPPED
    assert script.told < 100
    assert types(await logged(log))[-2:] == ["text-end", "abort"]


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


async def test_what_is_in_flight_can_be_seen(log: TestingLog, clock: Clock) -> None:
    """Owner, generation, progress and times of each answer that runs here."""
    script = Script(released=2)
    async with generating(log, script) as generations:
        await generations.ask(question())
        await running(generations, 2)
        clock.now += 5
        script.release(1)
        await running(generations, 3)
        (entry,) = generations.inflight()
        assert (entry.answer, entry.user, entry.chat, entry.owner, entry.generation) == ("a1", "ada", "c1", "one", 1)
        assert (entry.started_at, entry.progress_at) == (1000.0, 1005.0)


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
