"""What the guards tell of, for metrics and for those who asked."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from chatserver.guards.breaker import State

Outcome: TypeAlias = Literal["ok", "temporary", "busy", "permanent", "given_up", "refused"]
"""How an attempt ended. `busy`: it said when to come back; `given_up`: its caller was cancelled; `refused`: the breaker
did not let it through."""


class Watch(Protocol):
    """Told by guards and caches, on the event loop, in the order in which things happen. Never blocks or raises."""

    def attempted(self, upstream: str, outcome: Outcome, seconds: float) -> None: ...

    def retried(self, upstream: str) -> None:
        """Another attempt begins."""

    def breaker_changed(self, upstream: str, state: State) -> None: ...

    def embedded(self, source: str, texts: int) -> None:
        """Vectors came from `source`: the name of a cache, or `model` when they were computed."""

    def cache_changed(self, cache: str, here: bool) -> None:
        """A cache was lost, or is back."""

    def spoke(self, input_tokens: int, output_tokens: int) -> None:
        """A model told what it has read and written for one answer, or for a decision before it."""


class Counts:
    """A `Watch` that counts."""

    def __init__(self) -> None:
        self.attempts: Counter[tuple[str, Outcome]] = Counter()
        self.retries: Counter[str] = Counter()
        self.changes: Counter[tuple[str, State]] = Counter()
        self.vectors: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter()

    def attempted(self, upstream: str, outcome: Outcome, seconds: float) -> None:
        self.attempts[upstream, outcome] += 1

    def retried(self, upstream: str) -> None:
        self.retries[upstream] += 1

    def breaker_changed(self, upstream: str, state: State) -> None:
        self.changes[upstream, state] += 1

    def embedded(self, source: str, texts: int) -> None:
        self.vectors[source] += texts

    def cache_changed(self, cache: str, here: bool) -> None:
        return

    def spoke(self, input_tokens: int, output_tokens: int) -> None:
        self.tokens.update(input=input_tokens, output=output_tokens)


@dataclass(slots=True)
class Retries:
    """How often something was tried again on behalf of one request."""

    count: int = 0


_retries: ContextVar[Retries | None] = ContextVar("retries", default=None)


@contextmanager
def counted_retries() -> Iterator[Retries]:
    """Counts the retries of this task and of the tasks that it starts within the block."""
    retries = Retries()
    token = _retries.set(retries)
    try:
        yield retries
    finally:
        _retries.reset(token)


def count_retry() -> None:
    if (retries := _retries.get()) is not None:
        retries.count += 1
