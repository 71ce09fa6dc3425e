"""A circuit breaker: an upstream that fails again and again is left alone for a while. Pure; the clock is injected.

Theory of operation
    closed ──`failures` in a row──▶ open ──after `open_s`──▶ half-open ──the probe succeeds──▶ closed
                                     ▲                           │
                                     └──────the probe fails──────┘

    Calls that were under way together when something hiccuped tell of one hiccup, however many they are: the failures
    in a row open the breaker once one of them is of a call that began after another had failed. (At 20 questions at
    once a pause of two seconds was five failures within 60 ms, and cost a minute without an upstream that was well.)

    Each state has a number of its own, its era. A call is admitted in an era, and how it ends counts in that era
    only: a slow call from before the breaker opened neither closes it nor keeps it open. In half-open one call is
    admitted, the probe, and all others are refused until it has ended. A call that is given up (its caller was
    cancelled) tells nothing of the upstream; a probe that is given up leaves its place to the next call.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class BreakerOpen(Exception):
    """The call is not made. `retry_after_s`: when a probe will be admitted, 0 while one is under way."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"not called; again in {retry_after_s:.1f} s")
        self.retry_after_s = retry_after_s


class Breaker:
    """For one upstream and one event loop. Opens after `failures` in a row (None: never), unless all were under
    way at the same time; `changed` is told each new
    state."""

    def __init__(
        self,
        *,
        failures: int | None = 5,
        open_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        changed: Callable[[State], None] = lambda state: None,
    ) -> None:
        self._limit = failures
        self._open_s = open_s
        self._clock = clock
        self._changed = changed
        self._state = State.CLOSED
        self._era = 0
        self._failures = 0
        self._admitted = 0
        self._first_failed = 0
        """How many calls had been admitted at the first of the failures in a row."""
        self._until = 0.0
        self._probing = False

    @property
    def state(self) -> State:
        return self._state

    def admit(self) -> "Admission":
        """The call may be made; the caller tells how it ends. Raises `BreakerOpen`."""
        if self._state is State.OPEN and self._clock() >= self._until:
            self._become(State.HALF_OPEN)
        if self._state is State.OPEN:
            raise BreakerOpen(self._until - self._clock())
        if self._state is State.HALF_OPEN:
            if self._probing:
                raise BreakerOpen(0.0)
            self._probing = True
        self._admitted += 1
        return Admission(self, self._era, self._admitted)

    def _succeeded(self, era: int) -> None:
        if era == self._era:
            self._failures = 0
            if self._state is State.HALF_OPEN:
                self._become(State.CLOSED)

    def _failed(self, era: int, number: int) -> None:
        if era == self._era:
            if not self._failures:
                self._first_failed = self._admitted
            self._failures += 1
            lasts = number > self._first_failed or self._limit == 1
            too_many = self._limit is not None and self._failures >= self._limit and lasts
            if too_many or self._state is State.HALF_OPEN:
                self._until = self._clock() + self._open_s
                self._become(State.OPEN)

    def _given_up(self, era: int) -> None:
        if era == self._era:
            self._probing = False

    def _become(self, state: State) -> None:
        self._state = state
        self._era += 1
        self._failures = 0
        self._probing = False
        self._changed(state)


@dataclass(frozen=True, slots=True)
class Admission:
    """One call that the breaker let through. Its end is told once; a second telling is of no consequence when the
    first has changed the state."""

    _breaker: Breaker
    _era: int
    _number: int

    def succeeded(self) -> None:
        self._breaker._succeeded(self._era)

    def failed(self) -> None:
        self._breaker._failed(self._era, self._number)

    def given_up(self) -> None:
        self._breaker._given_up(self._era)
