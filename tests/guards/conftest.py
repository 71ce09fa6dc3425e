import pytest

from chatserver.guards.guard import Guard, Patience
from chatserver.guards.watch import Counts

QUICK = Patience(first_wait_s=0.001, jitter_s=0.001)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
def guard(counts: Counts, clock: Clock) -> Guard:
    return Guard("upstream", counts, patience=QUICK, clock=clock)
