"""Commands of chat.v1: what a client sends, parsed and checked. Pure."""

import re
from typing import Annotated, Any, Literal, TypeAlias

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError

from chatserver.protocol.codes import ErrorCode

Identifier = Annotated[str, Field(min_length=1, max_length=200)]

MAX_DEPTH = 32
"""Objects and lists within each other in `filter` and `options`: what is read deeper could not be written again."""


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


class Ask(_Command):
    type: Literal["ask"]
    id: Identifier
    chat: Identifier
    text: str
    namespace: Annotated[str, Field(max_length=200)] = ""
    filter: Shallow | None = None
    options: Shallow = Field(default_factory=dict)
    provider_key: ProviderKey | None = None


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

    def __init__(self, code: ErrorCode, message: str, *, id: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.id = id


def parse(frame: str, *, max_question_characters: int) -> Command:
    """One text frame to one command. Raises `InvalidCommand`."""
    try:
        value = orjson.loads(frame)
    except (orjson.JSONDecodeError, RecursionError):
        raise InvalidCommand(ErrorCode.INVALID_JSON, "The frame is not valid JSON.") from None
    if not isinstance(value, dict):
        raise InvalidCommand(ErrorCode.INVALID_JSON, "A command is a JSON object.")
    told = value.get("id")
    command_id = told if isinstance(told, str) and len(told) <= 200 else None
    kind = value.get("type")
    if not isinstance(kind, str) or kind not in _TYPES:
        raise InvalidCommand(ErrorCode.UNKNOWN_TYPE, _unknown_type(kind), id=command_id)
    try:
        command = _ADAPTER.validate_python(value)
    except ValidationError as error:
        raise InvalidCommand(ErrorCode.INVALID_FIELD, _first_fault(error), id=command_id) from None
    if isinstance(command, Ask):
        _check_question(command, max_question_characters)
    return command


def _check_question(ask: Ask, limit: int) -> None:
    if not ask.text.strip():
        raise InvalidCommand(ErrorCode.EMPTY_QUESTION, "The question is empty.", id=ask.id)
    if len(ask.text) > limit:
        message = f"The question has {len(ask.text)} characters; at most {limit} are taken."
        raise InvalidCommand(ErrorCode.QUESTION_TOO_LONG, message, id=ask.id)


def _unknown_type(kind: object) -> str:
    shown = f"«{kind[:40]}»" if isinstance(kind, str) else "none"
    return f"Unknown command type {shown}; known are {', '.join(sorted(_TYPES))}."


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in fault["loc"][1:])
    return f"{place}: {fault['msg']}"
