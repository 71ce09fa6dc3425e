"""`ScriptedModel`: the test double for models, shipped so that every test, benchmark and curious operator can use it.

It is told what to say by a sequence of steps, or, when it has none, by the question itself, so that a real server
process started with `CHATSERVER_MODEL=scripted` can be driven from outside:

    /script tokens=200 delay_ms=10 first_ms=500 size=8 fail_after=50 error=rate_limited
    /script tokens=40 stall_after=20

Nothing is random: token n of a script is `token_text(n, size)`, so a checker recomputes what it should have read.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Literal, TypeAlias, get_args

from chatserver.models.port import ModelError, ModelPart, ModelRequest, TextPart, UsagePart

Failure: TypeAlias = Literal["refused", "unauthorized", "rate_limited", "timeout", "rejected", "broken"]

_FAILURES: dict[Failure, tuple[str, bool, float | None]] = {
    "refused": ("model_unavailable", True, None),
    "unauthorized": ("model_unauthorized", False, None),
    "rate_limited": ("model_rate_limited", True, 1.0),
    "timeout": ("model_timeout", True, None),
    "rejected": ("model_rejected", False, None),
    "broken": ("model_stream_broken", True, None),
}

_PREFIX = "/script"
_TOKENS_PER_TURN = 64
"""An undelayed script gives the event loop a turn this often, so that it can be cancelled and stays quick."""


@dataclass(frozen=True, slots=True)
class Delay:
    seconds: float


@dataclass(frozen=True, slots=True)
class Stall:
    """Never says anything again: ends by cancellation only."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Raises the `ModelError` that a real adapter raises for this failure."""

    failure: Failure = "broken"

    def error(self) -> ModelError:
        code, temporary, retry_after_s = _FAILURES[self.failure]
        return ModelError(f"scripted: {self.failure}", code=code, temporary=temporary, retry_after_s=retry_after_s)


Step: TypeAlias = ModelPart | Delay | Stall | Fault


@dataclass(frozen=True, slots=True)
class Script:
    """The directives of a `/script` question: counts, milliseconds, characters per token."""

    tokens: int = 20
    delay_ms: int = 0
    first_ms: int = 0
    size: int = 8
    fail_after: int | None = None
    stall_after: int | None = None
    error: Failure = "broken"

    def text(self) -> str:
        """The whole text that this script says before it ends, fails or stalls."""
        return "".join(token_text(n, self.size) for n in range(self._said()))

    def steps(self) -> Iterator[Step]:
        if self.first_ms:
            yield Delay(self.first_ms / 1000)
        pause = Delay(self.delay_ms / 1000) if self.delay_ms else None
        said = self._said()
        for n in range(said):
            if pause and n:
                yield pause
            yield TextPart(token_text(n, self.size))
        if said == self.stall_after:
            yield Stall()
        if said == self.fail_after:
            yield Fault(self.error)
        yield UsagePart(input_tokens=0, output_tokens=said)

    def _said(self) -> int:
        return min(n for n in (self.tokens, self.fail_after, self.stall_after) if n is not None)


def token_text(n: int, size: int = 8) -> str:
    """Token `n` (from 0) of a script: its number, filled to `size` characters, longer if the number needs it."""
    return f"t{n}".ljust(size - 1, "x") + " "


def parse_script(question: str) -> Script:
    """Raises `ModelError` (`invalid_script`) for a directive that does not exist or a value that it can't have. A
    question that is no `/script` gets the default script."""
    head, *directives = question.split() or [""]
    if head != _PREFIX:
        return Script()
    values: dict[str, int | str] = {}
    for directive in directives:
        name, _, value = directive.partition("=")
        values[name] = _value(name, value)
    script = Script(**values)  # type: ignore[arg-type]
    if "error" in values and script.fail_after is None:
        return Script(**{**values, "fail_after": 0})  # type: ignore[arg-type]
    return script


def _value(name: str, value: str) -> int | str:
    if name == "error" and value in get_args(Failure):
        return value
    counts = {field.name for field in fields(Script)} - {"error"}
    if name in counts and value.isascii() and value.isdigit() and len(value) <= 9:
        return int(value)
    raise ModelError(f"invalid directive: {name}={value}", code="invalid_script", temporary=False)


class ScriptedModel:
    """Says `script`, every time; without one, what the question's `/script` directives say."""

    name = "scripted"

    def __init__(
        self,
        script: Sequence[Step] | None = None,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._script = script
        self._sleep = sleep

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelPart, None]:
        steps: Iterable[Step] = parse_script(request.question).steps() if self._script is None else self._script
        since_turn = 0
        for step in steps:
            match step:
                case Delay(seconds):
                    since_turn = 0
                    await self._sleep(seconds)
                case Stall():
                    await asyncio.Event().wait()
                case Fault():
                    raise step.error()
                case _:
                    yield step
                    since_turn += 1
                    if since_turn == _TOKENS_PER_TURN:
                        since_turn = 0
                        await self._sleep(0)

    async def aclose(self) -> None:
        """Nothing is held."""
