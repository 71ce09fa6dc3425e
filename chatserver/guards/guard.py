"""All calls to one upstream: retried while that may help, limited in time, and not made while its breaker is open."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import stamina
import structlog

from chatserver.guards.breaker import Breaker, BreakerOpen, State
from chatserver.guards.watch import Outcome, Watch, count_retry
from chatserver.models.port import ModelError
from retrieval.errors import RetrievalError, Temporary

T = TypeVar("T")

log = structlog.get_logger(__name__)


class TooSlow(Temporary):
    """The upstream had not answered when the attempt's time was up."""

    code = "upstream_timeout"


class Paused(Temporary):
    """The upstream was not called: it failed too often just now. `retry_after_s` tells when it will be."""

    code = "upstream_paused"


@dataclass(frozen=True, slots=True)
class Patience:
    """`attempts` calls in all, and between them `first_wait_s`, twice that, … plus up to `jitter_s` at random; or as
    long as the upstream asked for. One that asks for more than `longest_wait_s` is not tried again."""

    attempts: int = 3
    first_wait_s: float = 0.5
    jitter_s: float = 0.5
    longest_wait_s: float = 10.0


class Guard:
    """For one upstream and one event loop; `name` is what metrics and logs call it.

    Only what may pass counts as a failure: `Temporary`, a temporary `ModelError`, an attempt that took too long, and
    errors without a type. An upstream that rejects a request is up, and so is one that says when to come back.
    Cancellation says nothing and is passed on."""

    def __init__(
        self,
        name: str,
        watch: Watch,
        *,
        patience: Patience = Patience(),
        failures: int | None = 5,
        open_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._watch = watch
        self._patience = patience
        self._clock = clock
        self._breaker = Breaker(failures=failures, open_s=open_s, clock=clock, changed=self._changed)

    @property
    def state(self) -> State:
        return self._breaker.state

    async def call(self, work: Callable[[], Awaitable[T]], *, within_s: float | None = None) -> T:
        """The work's result. `work` is called once for each attempt, so it must be safe to repeat; an attempt may take
        `within_s`. Raises `Paused`, `TooSlow` and what the work raises."""
        patience, code = self._patience, ""

        def again(error: Exception) -> bool | float:
            nonlocal code
            code = getattr(error, "code", type(error).__name__)
            return self._again(error)

        attempts = stamina.retry_context(
            again,
            attempts=patience.attempts,
            timeout=None,  # the caller's deadline is the limit
            wait_initial=patience.first_wait_s,
            wait_jitter=patience.jitter_s,
            wait_max=patience.longest_wait_s,
        )
        async for attempt in attempts:
            with attempt:
                if attempt.num > 1:
                    log.warning("tried again", upstream=self.name, attempt=attempt.num, code=code)
                    self._watch.retried(self.name)
                    count_retry()
                return await self._attempt(work, within_s)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _attempt(self, work: Callable[[], Awaitable[T]], within_s: float | None) -> T:
        try:
            admission = self._breaker.admit()
        except BreakerOpen as error:
            self._watch.attempted(self.name, "refused", 0.0)
            raise Paused(f"{self.name}: {error}", retry_after_s=error.retry_after_s) from None
        outcome: Outcome = "given_up"
        began = self._clock()
        try:
            async with asyncio.timeout(within_s):
                result = await work()
            outcome = "ok"
        except TimeoutError as error:
            outcome = "temporary"
            raise TooSlow(f"{self.name}: no answer within {within_s} s") from error
        except Exception as error:
            outcome = "busy" if _wait_s(error) is not None else "temporary" if _counts(error) else "permanent"
            raise
        finally:
            match outcome:
                case "ok" | "permanent" | "busy":
                    admission.succeeded()
                case "temporary":
                    admission.failed()
                case _:
                    admission.given_up()
            self._watch.attempted(self.name, outcome, self._clock() - began)
        return result

    def _again(self, error: Exception) -> bool | float:
        """Whether to try again: no, after the usual wait, or after this many seconds."""
        if isinstance(error, Paused) or not _passing(error):
            return False
        wait_s = _wait_s(error)
        if wait_s is None:
            return True
        return wait_s if wait_s <= self._patience.longest_wait_s else False

    def _changed(self, state: State) -> None:
        tell = log.info if state is State.CLOSED else log.warning
        tell("breaker changed", upstream=self.name, state=str(state))
        self._watch.breaker_changed(self.name, state)


def _passing(error: Exception) -> bool:
    return isinstance(error, Temporary) or (isinstance(error, ModelError) and error.temporary)


def _counts(error: Exception) -> bool:
    """An error without a type is no answer of the upstream's, so it counts; it is not tried again."""
    return _passing(error) or not isinstance(error, RetrievalError | ModelError)


def _wait_s(error: Exception) -> float | None:
    """What the upstream asked for."""
    return error.retry_after_s if isinstance(error, Temporary | ModelError) else None
