"""What the pipeline needs from a model. A model knows neither sockets nor logs."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar, runtime_checkable

from graph.types import Fact, Note, Record
from retrieval.types import RankedPassage

Filled = TypeVar("Filled")


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier question of the chat and its answer's text."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Context:
    """What retrieval found. Source `[n]` of an answer is `passages[n - 1]`; after the passages come the records:
    `[len(passages) + k]` is `records[k - 1]`. What a later step adds is numbered on; then `numbers` tells all of
    them, those of the passages first."""

    passages: tuple[RankedPassage, ...] = ()
    facts: tuple[Fact, ...] = ()
    records: tuple[Record, ...] = ()
    numbers: tuple[int, ...] = ()
    notes: tuple[Note, ...] = ()
    looked: tuple[str, ...] = ()
    """What later steps searched for."""

    @property
    def passage_numbers(self) -> tuple[int, ...]:
        return self._all_numbers()[: len(self.passages)]

    @property
    def record_numbers(self) -> tuple[int, ...]:
        return self._all_numbers()[len(self.passages) :]

    def extended(self, found: "Context") -> "Context":
        """With what a later step found, numbered on."""
        count = len(self.passages) + len(self.records)
        return Context(
            self.passages + found.passages,
            self.facts + found.facts,
            self.records + found.records,
            self.passage_numbers
            + tuple(count + n for n in found.passage_numbers)
            + self.record_numbers
            + tuple(count + n for n in found.record_numbers),
            self.notes + found.notes,
            self.looked + found.looked,
        )

    def _all_numbers(self) -> tuple[int, ...]:
        return self.numbers or tuple(range(1, len(self.passages) + len(self.records) + 1))


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """`messages` is the rendered prompt (what a language model reads); `question` and `context` are the same as
    values (what the extractive model reads)."""

    question: str
    language: str
    context: Context
    messages: tuple[Message, ...]
    history: tuple[Turn, ...] = ()
    left_out: int = 0
    """Sources of the context that `messages` has no room for."""
    user: str = ""
    """Who asked, and so who spends."""
    namespace: str = ""
    """Where the context was found."""
    provider_key: str | None = field(default=None, repr=False)
    """The asker's own key; a model that needs none leaves it alone."""


@dataclass(frozen=True, slots=True)
class TextPart:
    """Some more of the answer, not empty. `[n]` marks cite source n of the context."""

    text: str


@dataclass(frozen=True, slots=True)
class UsagePart:
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class NoticePart:
    """Something that the reader should know beside the text: `{code, message}`, e.g. that no model is configured."""

    code: str
    message: str


Used: TypeAlias = Callable[[UsagePart], None]

ModelPart: TypeAlias = TextPart | UsagePart | NoticePart


class ModelError(Exception):
    """The model could not answer. `code` is stable and fit for users, the message is for logs."""

    def __init__(self, message: str, *, code: str, temporary: bool, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.temporary = temporary
        self.retry_after_s = retry_after_s


@runtime_checkable
class Model(Protocol):
    name: str

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelPart, None]:
        """The answer, part by part. Raises `ModelError`. Closing the iterator or cancelling the task ends the
        upstream call too."""

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Form(Generic[Filled]):
    """What a model is to fill in: a JSON Schema in which every property is required and no other allowed, and how the
    JSON text that it gives is read; `read` raises `ValueError` for what does not fit."""

    name: str
    schema: Mapping[str, Any]
    read: Callable[[str], Filled]


@runtime_checkable
class FormModel(Protocol):
    """A model that gives structured output."""

    async def fill(
        self,
        messages: Sequence[Message],
        form: Form[Filled],
        *,
        provider_key: str | None = None,
        used: Used = lambda usage: None,
    ) -> Filled:
        """The form as the model fills it in; `used` is told what that took, where the model says so. Raises
        `ModelError`, `model_unfit` for a text that does not fit the form. Cancelling the task ends the upstream call
        too."""


class PaidForms(Protocol):
    """The same for somebody who pays."""

    async def fill(
        self, messages: Sequence[Message], form: Form[Filled], *, user: str, provider_key: str | None
    ) -> Filled:
        """Raises `ModelError`."""
