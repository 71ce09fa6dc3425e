import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chatserver.guards.breaker import Admission, Breaker, BreakerOpen, State
from tests.guards.conftest import Clock


@pytest.fixture
def seen() -> list[State]:
    return []


@pytest.fixture
def breaker(clock: Clock, seen: list[State]) -> Breaker:
    return Breaker(failures=3, open_s=60, clock=clock, changed=seen.append)


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.admit().failed()


def refused_for(breaker: Breaker) -> float:
    with pytest.raises(BreakerOpen) as refused:
        breaker.admit()
    return refused.value.retry_after_s


def test_failures_in_a_row_open_it(breaker: Breaker, clock: Clock) -> None:
    """After the third nobody is let through, and each is told when to come back."""
    fail(breaker, 3)
    clock.now = 20
    assert breaker.state is State.OPEN
    assert refused_for(breaker) == 40


def test_a_success_forgets_the_failures_before_it(breaker: Breaker) -> None:
    """Two failures, a success and two failures are not five."""
    fail(breaker, 2)
    breaker.admit().succeeded()
    fail(breaker, 2)
    assert breaker.state is State.CLOSED


def test_one_hiccup_is_not_a_row_of_failures(breaker: Breaker) -> None:
    """Twenty calls that were under way together fail together: the next one is let through, and its failure opens."""
    for call in [breaker.admit() for _ in range(20)]:
        call.failed()
    fail(breaker, 1)  # let through
    assert breaker.state is State.OPEN


def test_a_breaker_of_one_failure_opens_at_the_first(clock: Clock) -> None:
    """There is no row to wait for."""
    breaker = Breaker(failures=1, clock=clock)
    fail(breaker, 1)
    assert breaker.state is State.OPEN


def test_exactly_one_call_probes(breaker: Breaker, clock: Clock, seen: list[State]) -> None:
    """When the time is up one of twenty callers is admitted; its success lets all in."""
    fail(breaker, 3)
    clock.now = 60
    probe = breaker.admit()
    assert [refused_for(breaker) for _ in range(19)] == [0.0] * 19
    probe.succeeded()
    breaker.admit()
    assert seen == [State.OPEN, State.HALF_OPEN, State.CLOSED]


def test_a_failed_probe_opens_it_anew(breaker: Breaker, clock: Clock, seen: list[State]) -> None:
    """One failure suffices then, and the whole time begins again."""
    fail(breaker, 3)
    clock.now = 60
    breaker.admit().failed()
    assert refused_for(breaker) == 60
    assert seen == [State.OPEN, State.HALF_OPEN, State.OPEN]


def test_a_probe_given_up_leaves_its_place(breaker: Breaker, clock: Clock, seen: list[State]) -> None:
    """A caller that is cancelled tells nothing: the next one probes at once."""
    fail(breaker, 3)
    clock.now = 60
    breaker.admit().given_up()
    breaker.admit().succeeded()
    assert seen == [State.OPEN, State.HALF_OPEN, State.CLOSED]


def test_cancellation_is_no_failure(breaker: Breaker) -> None:
    """However many callers leave, it stays closed."""
    for _ in range(100):
        breaker.admit().given_up()
    assert breaker.state is State.CLOSED


@pytest.mark.parametrize("end", ["succeeded", "failed", "given_up"])
def test_calls_of_an_earlier_era_change_nothing(breaker: Breaker, clock: Clock, end: str) -> None:
    """A slow call from before it opened neither closes it, nor fails the probe, nor frees the probe's place."""
    slow = breaker.admit()
    fail(breaker, 3)
    clock.now = 60
    breaker.admit()
    getattr(slow, end)()
    assert breaker.state is State.HALF_OPEN
    assert refused_for(breaker) == 0.0


def test_without_a_limit_it_never_opens(clock: Clock) -> None:
    """For what is no upstream."""
    breaker = Breaker(failures=None, clock=clock)
    fail(breaker, 1000)
    assert breaker.state is State.CLOSED


class AnyCalls(RuleBasedStateMachine):
    """Calls that begin, end and are given up in any order, while time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.seen = [State.CLOSED]
        self.breaker = Breaker(failures=2, open_s=10, clock=self.clock, changed=self.seen.append)
        self.running: list[tuple[Admission, int]] = []  # with how many states had been seen at its start

    @rule(seconds=st.integers(0, 20))
    def time_passes(self, seconds: int) -> None:
        self.clock.now += seconds

    @rule()
    def call(self) -> None:
        try:
            self.running.append((self.breaker.admit(), len(self.seen)))
        except BreakerOpen as refused:
            wait_s = refused.retry_after_s
        else:
            return
        assert 0 <= wait_s <= 10
        assert self.seen[-1] is not State.CLOSED

    @rule(data=st.data(), end=st.sampled_from(["succeeded", "failed", "given_up"]))
    def a_call_ends(self, data: st.DataObject, end: str) -> None:
        if self.running:
            admission, _ = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
            getattr(admission, end)()

    @invariant()
    def one_probe_at_most(self) -> None:
        if self.breaker.state is State.HALF_OPEN:
            assert sum(era == len(self.seen) for _, era in self.running) <= 1

    @invariant()
    def states_follow_the_table(self) -> None:
        allowed = {
            (State.CLOSED, State.OPEN),
            (State.OPEN, State.HALF_OPEN),
            (State.HALF_OPEN, State.OPEN),
            (State.HALF_OPEN, State.CLOSED),
        }
        assert set(zip(self.seen, self.seen[1:], strict=False)) <= allowed


TestAnyCalls = AnyCalls.TestCase
TestAnyCalls.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
