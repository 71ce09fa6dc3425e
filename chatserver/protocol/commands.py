"""Commands of chat.v1: what a client sends, parsed and checked. Pure."""

import re
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError

from chatserver.protocol.codes import ErrorCode

Model = TypeVar("Model", bound=BaseModel)

Identifier = Annotated[str, Field(min_length=1, max_length=200)]

MAX_DEPTH = 32
"""Objects and lists within each other in `filter` and `options`: what is read deeper could not be written again."""

MAX_HISTORY = 100
"""Turns that a question may bring along."""


def _check_depth(value: dict[str, Any]) -> dict[str, Any]:
    depth, level = 0, [value]
    while level := [part for each in level for part in _parts(each)]:
        depth += 1
        if depth > MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH}")
    return value


def _parts(value: Any) -> list[Any]:
    match value:
        case dict():
            return list(value.values())
        case list():
            return value
    return []


Shallow = Annotated[dict[str, Any], AfterValidator(_check_depth)]


def _check_key(key: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]{1,500}", key.get_secret_value()):
        raise ValueError("a key has 1 to 500 printable characters")  # it becomes a header
    return key


ProviderKey = Annotated[SecretStr, AfterValidator(_check_key)]


class _Command(BaseModel):
    """Unknown fields are ignored: an older server understands a newer client."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    @property
    def reply_to(self) -> str | None:
        """What an error about this command is told under."""
        return None


class PastTurn(_Command):
    question: str
    answer: str


class Ask(_Command):
    type: Literal["ask"]
    id: Identifier
    chat: Identifier
    text: str
    namespace: Annotated[str, Field(max_length=200)] = ""
    filter: Shallow | None = None
    options: Shallow = Field(default_factory=dict)
    provider_key: ProviderKey | None = None
    history: Annotated[list[PastTurn], Field(max_length=MAX_HISTORY)] | None = None
    """The chat's earlier turns as this client shows them, in place of those that the server knows."""
    after: Annotated[str, Field(max_length=200)] | None = None
    """The answer that this question follows, empty for none; else it follows the chat's newest."""

    @property
    def reply_to(self) -> str | None:
        return self.id


class CursorField(_Command):
    answer: Identifier
    epoch: Annotated[str, Field(max_length=200)]
    seq: Annotated[int, Field(ge=-1, lt=2**53)]


class Resume(_Command):
    type: Literal["resume"]
    chat: Identifier
    cursors: Annotated[list[CursorField], Field(max_length=1000)] = Field(default_factory=list)


class Ack(_Command):
    type: Literal["ack"]
    answer: Identifier
    seq: Annotated[int, Field(ge=0, lt=2**53)]


class Stop(_Command):
    type: Literal["stop"]
    answer: Identifier


class Ping(_Command):
    type: Literal["ping"]
    id: Annotated[Annotated[str, Field(max_length=200)] | int, Field(union_mode="left_to_right")] = ""


Command: TypeAlias = Ask | Resume | Ack | Stop | Ping

_ADAPTER: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="type")])
_TYPES = frozenset({"ask", "resume", "ack", "stop", "ping"})


class InvalidCommand(Exception):
    """A frame that is no command. `code` and `message` are fit for the client; `id` is the command's, if told."""

    def __init__(
        self, code: ErrorCode, message: str, *, id: str | None = None, retry_after_ms: int | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.id = id
        self.retry_after_ms = retry_after_ms


def checked_frame(frame: str | bytes, limit: int) -> str:
    """A frame that may be read at all. Raises `InvalidCommand`."""
    if isinstance(frame, bytes):
        raise InvalidCommand(ErrorCode.BINARY_FRAME, "Commands are text frames.")
    if len(frame) > limit or len(frame.encode()) > limit:
        raise InvalidCommand(ErrorCode.MESSAGE_TOO_LARGE, f"A message has at most {limit} bytes.")
    return frame


def parse(frame: str, *, max_question_characters: int) -> Command:
    """One text frame to one command. Raises `InvalidCommand`."""
    value = json_object(frame)
    told = value.get("id")
    command_id = told if isinstance(told, str) and len(told) <= 200 else None
    kind = value.get("type")
    if not isinstance(kind, str) or kind not in _TYPES:
        raise InvalidCommand(ErrorCode.UNKNOWN_TYPE, _unknown_type(kind), id=command_id)
    try:
        command = _ADAPTER.validate_python(value)
    except ValidationError as error:
        raise InvalidCommand(ErrorCode.INVALID_FIELD, first_fault(error, skip=1), id=command_id) from None
    if isinstance(command, Ask):
        check_question(command, max_question_characters)
    return command


def json_object(text: str | bytes) -> dict[str, Any]:
    """Raises `InvalidCommand`."""
    try:
        value = orjson.loads(text)
    except (orjson.JSONDecodeError, RecursionError):
        raise InvalidCommand(ErrorCode.INVALID_JSON, "The frame is not valid JSON.") from None
    if not isinstance(value, dict):
        raise InvalidCommand(ErrorCode.INVALID_JSON, "A command is a JSON object.")
    return value


def validated(model: type[Model], value: Any, *, id: str | None = None) -> Model:
    """What a client sent, as what it should be. Raises `InvalidCommand`."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise InvalidCommand(ErrorCode.INVALID_FIELD, first_fault(error), id=id) from None


def check_question(ask: Ask, limit: int) -> None:
    """Raises `InvalidCommand`."""
    if not ask.text.strip():
        raise InvalidCommand(ErrorCode.EMPTY_QUESTION, "The question is empty.", id=ask.reply_to)
    if len(ask.text) > limit:
        message = f"The question has {len(ask.text)} characters; at most {limit} are taken."
        raise InvalidCommand(ErrorCode.QUESTION_TOO_LONG, message, id=ask.reply_to)


def _unknown_type(kind: object) -> str:
    shown = f"«{kind[:40]}»" if isinstance(kind, str) else "none"
    return f"Unknown command type {shown}; known are {', '.join(sorted(_TYPES))}."


def first_fault(error: ValidationError, *, skip: int = 0) -> str:
    """The first thing that is wrong, and where; `skip` parts of its place are not the client's."""
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in fault["loc"][skip:])
    return f"{place}: {fault['msg']}" if place else fault["msg"]
