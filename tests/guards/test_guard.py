import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest
import stamina

from chatserver.guards.breaker import State
from chatserver.guards.guard import Guard, Patience, Paused, TooSlow
from chatserver.guards.watch import Counts, counted_retries
from chatserver.models.port import ModelError
from retrieval.errors import Permanent, Temporary
from tests.guards.conftest import Clock

Work = Callable[[], Awaitable[str]]


class Upstream:
    """Fails with these, one a call, then answers."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        return "answer"


async def hangs() -> str:
    await asyncio.Event().wait()
    return "never"


async def opened(guard: Guard, clock: Clock) -> None:
    """Brings the guard's breaker to where it opens."""
    upstream = Upstream(*[Temporary("down")] * 6)
    for _ in range(2):
        with pytest.raises(Temporary):
            await guard.call(upstream)
    assert guard.state is State.OPEN


@pytest.mark.parametrize(
    "failure",
    [Temporary("503"), ModelError("503", code="model_unavailable", temporary=True), Temporary("429", retry_after_s=0)],
)
async def test_what_may_pass_is_tried_again(guard: Guard, counts: Counts, failure: Exception) -> None:
    """Three calls in all; who asked sees the answer, whoever watches the retries."""
    upstream = Upstream(failure, failure)
    with counted_retries() as retries:
        assert await guard.call(upstream) == "answer"
    assert (upstream.calls, counts.retries["upstream"], retries.count) == (3, 2, 2)
    assert sum(counts.attempts.values()) == 3


@pytest.mark.parametrize(
    ("failure", "calls", "outcome"),
    [
        (Permanent("400"), 1, "permanent"),
        (ModelError("401", code="model_unauthorized", temporary=False), 1, "permanent"),
        (ZeroDivisionError(), 1, "temporary"),
        (Temporary("429", retry_after_s=3600), 1, "busy"),
        (Temporary("503"), 3, "temporary"),
    ],
    ids=["rejected", "unauthorized", "bug", "long wait asked for", "too often"],
)
async def test_other_failures_are_passed_on(
    guard: Guard, counts: Counts, failure: Exception, calls: int, outcome: str
) -> None:
    """What trying again can't mend is told at once, and after three calls what it could."""
    upstream = Upstream(*[failure] * 3)
    with pytest.raises(type(failure)):
        await guard.call(upstream)
    assert upstream.calls == calls
    assert counts.attempts == {("upstream", outcome): calls}


async def test_the_upstreams_own_wait_is_honoured(counts: Counts) -> None:
    """Retry-After is waited for, whatever the usual wait."""
    guard = Guard("upstream", counts, patience=Patience(first_wait_s=30, jitter_s=0, longest_wait_s=30))
    began = asyncio.get_running_loop().time()
    assert await guard.call(Upstream(Temporary("429", retry_after_s=0.05))) == "answer"
    assert 0.05 <= asyncio.get_running_loop().time() - began < 20


async def test_waits_grow_and_are_jittered(counts: Counts, monkeypatch: pytest.MonkeyPatch) -> None:
    """0.5 s, then 1 s, each with up to 0.5 s more at random."""
    waits = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(stamina._core, "_smart_sleep", sleep)
    random.seed(1)
    for _ in range(20):
        await Guard("upstream", counts).call(Upstream(Temporary("503"), Temporary("503")))
    firsts, seconds = waits[::2], waits[1::2]
    assert all(0.5 <= wait <= 1.0 for wait in firsts)
    assert all(1.0 <= wait <= 1.5 for wait in seconds)
    assert len(set(waits)) == len(waits)


async def test_an_attempt_that_hangs_is_a_failure(guard: Guard) -> None:
    """It ends after its limit with an error of its own, so that a breaker can open on it."""
    for _ in range(2):
        with pytest.raises((TooSlow, Paused)):
            await guard.call(hangs, within_s=0.01)
    assert guard.state is State.OPEN


async def test_an_open_breaker_lets_nobody_wait(guard: Guard, clock: Clock, counts: Counts) -> None:
    """The upstream is not called, nothing is slept for, and the error says when to come back."""
    await opened(guard, clock)
    clock.now += 45
    upstream = Upstream()
    with pytest.raises(Paused) as refused:
        await guard.call(upstream)
    assert (upstream.calls, refused.value.retry_after_s) == (0, 15)
    assert counts.attempts["upstream", "refused"] == 2  # the sixth attempt of those that opened it, and this one


async def test_one_of_many_callers_probes(guard: Guard, clock: Clock, counts: Counts) -> None:
    """Twenty at once when the time is up: one call is made, and once it has succeeded all are."""
    await opened(guard, clock)
    clock.now += 60
    upstream = Upstream()
    results = await asyncio.gather(*(guard.call(upstream) for _ in range(20)), return_exceptions=True)
    assert upstream.calls == 1
    assert sorted(type(result).__name__ for result in results) == ["Paused"] * 19 + ["str"]
    assert await guard.call(upstream) == "answer"
    assert [state for _, state in counts.changes] == [State.OPEN, State.HALF_OPEN, State.CLOSED]


async def test_cancellation_is_passed_on_and_no_failure(guard: Guard, counts: Counts) -> None:
    """A hundred callers that leave neither open the breaker nor are tried again."""
    tasks = [asyncio.create_task(guard.call(hangs)) for _ in range(100)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(error) for error in ended} == {asyncio.CancelledError}
    assert guard.state is State.CLOSED
    assert counts.attempts == {("upstream", "given_up"): 100}


async def test_a_cancelled_probe_leaves_its_place(guard: Guard, clock: Clock) -> None:
    """The next caller probes at once."""
    await opened(guard, clock)
    clock.now += 60
    probe = asyncio.create_task(guard.call(hangs))
    await asyncio.sleep(0)
    probe.cancel()
    await asyncio.wait([probe])
    assert await guard.call(Upstream()) == "answer"


async def test_a_deadline_around_a_wait_ends_it(counts: Counts) -> None:
    """Who limits the whole is not held up by a retry's wait."""
    guard = Guard("upstream", counts, patience=Patience(first_wait_s=30))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await guard.call(Upstream(Temporary("503")))


async def test_one_that_says_when_to_come_back_is_up(guard: Guard, counts: Counts) -> None:
    """Rate limits are waited for and passed on, and open no breaker, however many."""
    for _ in range(10):
        with pytest.raises(Temporary):
            await guard.call(Upstream(*[Temporary("429", retry_after_s=0)] * 3))
    assert guard.state is State.CLOSED
    assert counts.attempts == {("upstream", "busy"): 30}
