"""Generations: from a question to its seal, through stops, failures and a log that is away."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

import pytest
from structlog.testing import capture_logs

from chatserver.answers.states import AnswerState
from chatserver.pipeline.port import Question
from chatserver.protocol import chunks
from chatserver.protocol.chunks import Chunk, Citation
from tests.contracts.answer_logs import Clock, question
from tests.eventually import eventually
from tests.generation.scripted import PACE, Script, TestingLog, generating, logged, running, sealed, whole, words

ERROR = chunks.error("Something went wrong on our side.", "internal")


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
