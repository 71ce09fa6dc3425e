"""Traces as the other parts tell them. Pure.

Theory of operation
    A trace is one answer, and its id is the answer's (`chatserver.answers.log_context.trace_of`): whoever has a part
    in it, in whatever process, tells spans of the same trace without anything being passed on. Its first span is the
    question; all others hang on that one, or on the span that they were begun inside.

    Who asks may have a trace already, and say so by W3C's header `traceparent`: the question then hangs on the caller's
    span, and all others stand in the caller's trace. The header is kept with the question, for the other processes.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, Protocol, TypeAlias

Value: TypeAlias = str | int | float | bool


class Span(Protocol):
    """A piece of work. Never raises."""

    def note(self, **attributes: Value) -> None: ...

    def end(self, error: str = "") -> None:
        """Once. `error` is a stable code, never an exception's words."""


class Tracer(Protocol):
    """Told on the event loop. Never blocks or raises. Attributes hold no text of a user's and no name of one. Where a
    `caller` is given it is what `caller` said when the answer was asked for, empty for none."""

    def within(self, traceparent: str) -> AbstractContextManager[None]:
        """What is begun inside, and in tasks that are begun inside, hangs on the caller's span that a header names. One
        that names none, because it is malformed, is as none."""

    def caller(self) -> str:
        """The span that this stands `within`, as a `traceparent` of 55 characters; empty for none."""

    def answer(self, answer: str, caller: str = "") -> AbstractContextManager[None]:
        """What is begun inside, and in tasks that are begun inside, belongs to this answer."""

    def span(self, name: str, **attributes: Value) -> AbstractContextManager[Span]:
        """Ends with the block, and with the code of the error that leaves it."""

    def begin(self, name: str, answer: str = "", *, caller: str = "", first: bool = False, **attributes: Value) -> Span:
        """For work that begins and ends in different places: whoever begins it ends it. Without an `answer` it hangs on
        what it is begun inside. The `first` of an answer is what all others hang on."""


class _NoSpan:
    def note(self, **attributes: Value) -> None:
        return

    def end(self, error: str = "") -> None:
        return


NO_SPAN: Final[Span] = _NoSpan()
"""Of what is not traced."""


class _Untraced:
    """For servers that nobody traces."""

    @contextmanager
    def within(self, traceparent: str) -> Iterator[None]:
        yield

    def caller(self) -> str:
        return ""

    @contextmanager
    def answer(self, answer: str, caller: str = "") -> Iterator[None]:
        yield

    @contextmanager
    def span(self, name: str, **attributes: Value) -> Iterator[Span]:
        yield NO_SPAN

    def begin(self, name: str, answer: str = "", *, caller: str = "", first: bool = False, **attributes: Value) -> Span:
        return NO_SPAN


UNTRACED: Final[Tracer] = _Untraced()
