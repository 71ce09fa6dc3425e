"""An answer changes hands: fences, hand-overs and takeovers between the generations of several processes."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatserver.answers.document import fold
from chatserver.answers.log import Batch, Claim
from chatserver.answers.states import AnswerState
from chatserver.generation.continuation import continue_after
from chatserver.generation.generation import Pace
from chatserver.generation.generations import MAX_OWNERS, Generations
from chatserver.protocol import chunks
from chatserver.protocol.chunks import Chunk
from tests.contracts.answer_logs import LEASE_S, Clock, claimed, question
from tests.eventually import eventually
from tests.generation.scripted import Script, TestingLog, logged, running, sealed, whole, words

ANSWER = whole(words(5))
QUICK = Pace(lease_s=0.9, linger_s=0.001)


@asynccontextmanager
async def process(log: TestingLog, script: Script, owner: str) -> AsyncGenerator[Generations, None]:
    """One of several processes on the same log."""
    async with Generations(log, script, pace=QUICK, owner=owner, clock=log._clock) as generations:
        yield generations


async def abandoned(log: TestingLog, entries: Sequence[Chunk]) -> Claim:
    """An answer whose owner told so much and then died."""
    await log.create(question())
    claim = await claimed(log, owner="dead")
    if entries:
        await log.append(claim, Batch("dead", 0, [orjson.dumps(entry) for entry in entries]), LEASE_S)
    return claim


def shown(entries: Sequence[Chunk]) -> str:
    return fold(entries).text


@pytest.mark.parametrize("entries", range(len(ANSWER)))
async def test_a_takeover_at_every_entry_ends_like_the_uncut_answer(
    log: TestingLog, clock: Clock, entries: int
) -> None:
    """Finished steps are kept and not told again, a half-told step is reset and told again: the reader ends up with
    the whole answer, once."""
    await abandoned(log, ANSWER[:entries])
    heir = Script()
    async with process(log, heir, "heir"):
        await asyncio.sleep(0)
        assert heir.questions == [], "the lease has not expired"
        clock.now += LEASE_S + 1
        assert (await sealed(log)).state is AnswerState.COMPLETED
    told = await logged(log)
    assert told[:entries] == ANSWER[:entries], "nothing that was told is changed"
    assert shown(told) == "".join(words(5))
    resets = [entry["type"] for entry in told].count("reset-step")
    assert resets == (entries in {2, 3} or 5 <= entries <= 12)
    assert told[-1] == chunks.finish()


async def test_a_fenced_owner_appends_nothing_and_cancels_its_pipeline(log: TestingLog, clock: Clock) -> None:
    """Once another owner has claimed, the old one ends without an entry more, whether it tells or waits."""
    old, new = Script(released=8), Script(released=0)
    async with process(log, old, "old") as generations:
        await generations.ask(question())
        await running(generations, 8)
        clock.now += LEASE_S
        taken = await claimed(log, owner="new")
        await eventually(lambda: generations.inflight() == [])
        assert old.cancelled == 1
        assert (await logged(log)) == ANSWER[:8]
        assert taken.generation == 2
        assert new.questions == []
    meta = await log.meta("a1")
    assert meta is not None
    assert (meta.owner, meta.state) == ("new", AnswerState.RUNNING)


async def test_a_fence_in_the_middle_of_an_append(log: TestingLog, clock: Clock) -> None:
    """A batch that waits for a slow log while the answer is taken over is not in the log."""
    old = Script(released=4)
    async with process(log, old, "old") as generations:
        await generations.ask(question())
        await running(generations, 4)
        log.open.clear()
        old.release(100)
        await eventually(lambda: old.told > 4)
        clock.now += LEASE_S
        await claimed(log, owner="new")
        log.open.set()
        await eventually(lambda: generations.inflight() == [])
    assert await logged(log) == ANSWER[:4]


async def test_what_one_process_hands_over_the_other_goes_on_with(log: TestingLog) -> None:
    """A drained process's answers are continued at once by another one, without waiting for a lease."""
    first, second = Script(released=9), Script()
    async with process(log, first, "first") as old, process(log, second, "second") as new:
        await old.ask(question())
        await running(old, 9)
        assert await old.drain(0) == 1
        assert (await sealed(log)).state is AnswerState.COMPLETED
        assert new.inflight() == [] or len(new.inflight()) == 1
    assert shown(await logged(log)) == "".join(words(5))
    (continued,) = second.continued
    assert [entry["type"] for entry in continued][-2:] == ["start-step", "reset-step"]


async def test_handing_on_again_and_again(log: TestingLog) -> None:
    """However often an answer changes hands, its reader ends up with it once."""
    scripts = [Script(released=n) for n in (3, 4, 6, 2, 5)]
    for n, script in enumerate(scripts):
        async with process(log, script, f"p{n}") as generations:
            if n == 0:
                await generations.ask(question())
            await eventually(lambda script=script: script.told == script.released)  # type: ignore[misc]
            await generations.drain(0)
    async with process(log, Script(), "last"):
        meta = await sealed(log)
    assert meta.generation == 6
    assert shown(await logged(log)) == "".join(words(5))


async def test_a_stop_that_its_owner_did_not_live_to_see(log: TestingLog, clock: Clock) -> None:
    """The next owner only seals: the partial text that the reader has seen stays, and is ended."""
    await abandoned(log, ANSWER[:8])
    await log.request_stop("ada", "a1")
    heir = Script()
    async with process(log, heir, "heir"):
        clock.now += LEASE_S + 1
        assert (await sealed(log)).state is AnswerState.STOPPED
    assert heir.questions == []
    assert await logged(log) == [*ANSWER[:8], chunks.text_end("t"), chunks.abort("stopped")]


async def test_a_text_that_another_owner_told_is_cited_when_stopped(log: TestingLog, clock: Clock) -> None:
    """The heir that only seals ends the text with the citations of what the reader has seen."""
    await abandoned(log, ANSWER[:8])
    await log.request_stop("ada", "a1")
    async with process(log, Script(cites="pumps#0"), "heir"):
        clock.now += LEASE_S + 1
        await sealed(log)
    ended = chunks.text_end("t", [chunks.citation("pumps#0", "Pumps", 0, len(shown(ANSWER[:8])), "its words")])
    assert (await logged(log))[8:] == [ended, chunks.abort("stopped")]


async def test_two_processes_never_tell_the_same_answer(log: TestingLog) -> None:
    """Of several that look for work at once, one gets each answer."""
    script = Script(released=0)
    async with process(log, script, "one") as one, process(log, script, "two") as two, process(log, script, "three"):
        for n in range(12):
            await (one, two)[n % 2].ask(question(f"a{n}"))
        script.release(10**6)
        for n in range(12):
            await sealed(log, f"a{n}")
    assert len(script.questions) == 12
    for n in range(12):
        assert await logged(log, f"a{n}") == whole(words(5), f"a{n}")


INSIDE = st.sampled_from(
    [chunks.reset_step(), chunks.text_start("t"), chunks.text_delta("t", "x"), chunks.text_end("t")]
)
STEP = st.lists(INSIDE, max_size=5).map(lambda inside: [chunks.start_step(), *inside, chunks.finish_step()])


@given(st.lists(STEP, max_size=3), st.integers(0, 25))
def test_a_continuation_keeps_finished_steps_and_withdraws_the_open_one(steps: list[list[Chunk]], length: int) -> None:
    """Of a log that ends anywhere: what the pipeline is given is what stays shown, and a withdrawal leaves exactly
    that."""
    logged = [chunks.start("a1"), *(chunk for step in steps for chunk in step)][: length + 1]
    continuation = continue_after(logged)
    assert shown([*logged, *continuation.withdraw]) == shown(continuation.told)
    steps_begun, steps_finished = (
        sum(entry["type"] == kind for entry in logged) for kind in ("start-step", "finish-step")
    )
    in_step = steps_begun > steps_finished
    assert continuation.withdraw == ((chunks.reset_step(),) if in_step else ())
    assert continuation.told[len(continuation.told) - 2 * in_step :] == (
        (chunks.start_step(), chunks.reset_step()) if in_step else ()
    )


def test_an_answer_without_entries_is_told_from_its_start() -> None:
    """Nothing is kept, nothing withdrawn."""
    assert continue_after([]).told == ()
    assert continue_after([]).withdraw == ()


async def test_an_answer_that_ends_its_owners_is_given_up(log: TestingLog, clock: Clock) -> None:
    """After too many owners it is sealed as failed, what was told stays, and its pipeline is not run again."""
    await abandoned(log, ANSWER[:8])
    for owner in range(2, MAX_OWNERS + 1):
        clock.now += LEASE_S + 1
        await claimed(log, owner=f"dead {owner}")
    clock.now += LEASE_S + 1
    heir = Script()
    async with process(log, heir, "heir"):
        assert (await sealed(log)).state is AnswerState.FAILED
    told = await logged(log)
    assert told[:-1] == ANSWER[:8]
    assert (told[-1]["type"], told[-1]["code"]) == ("error", "too_many_attempts")
    assert heir.questions == []
