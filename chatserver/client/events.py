"""What the server says in chat.v1, as typed values. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from chatserver.client.errors import ProtocolError

Chunk: TypeAlias = dict[str, Any]
"""One UI message chunk: a JSON object with a `type`."""

TERMINAL = frozenset({"finish", "abort", "error"})
"""Chunk types that seal an answer: nothing follows them."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last entry that a reader has of an answer; `seq` -1 means none yet."""

    answer: str
    epoch: str
    seq: int


@dataclass(frozen=True, slots=True)
class Welcome:
    heartbeat_s: float


@dataclass(frozen=True, slots=True)
class Accepted:
    id: str
    answer: str
    epoch: str


@dataclass(frozen=True, slots=True)
class Told:
    """One entry as it arrived (`chunk` events)."""

    answer: str
    epoch: str
    seq: int
    chunk: Chunk
    replay: bool

    @property
    def terminal(self) -> bool:
        return self.chunk["type"] in TERMINAL


@dataclass(frozen=True, slots=True)
class End:
    answer: str
    seq: int


@dataclass(frozen=True, slots=True)
class ResumedAnswer:
    answer: str
    epoch: str
    head: int
    verdict: Literal["resumed", "snapshot", "gone"]


@dataclass(frozen=True, slots=True)
class Resumed:
    chat: str
    answers: tuple[ResumedAnswer, ...]


@dataclass(frozen=True, slots=True)
class Draining:
    retry_after_s: float


@dataclass(frozen=True, slots=True)
class Fault:
    """An `error` event; `id` or `answer` say what it is about."""

    code: str
    message: str
    id: str | None
    answer: str | None
    retry_after_s: float | None


@dataclass(frozen=True, slots=True)
class Other:
    """`pong`, and types that this client doesn't know: signs of life."""


Event: TypeAlias = Welcome | Accepted | Told | End | Resumed | Draining | Fault | Other


def parse(frame: str | bytes) -> Event:
    """One frame to one event. Raises `ProtocolError`."""
    try:
        value = json.loads(frame)
        return _event(value)
    except (ValueError, KeyError, TypeError) as error:
        raise ProtocolError(f"the server sent what is not chat.v1 ({error!r})") from None


def _event(value: Mapping[str, Any]) -> Event:
    match value["type"]:
        case "chunk":
            return Told(
                str(value["answer"]),
                str(value["epoch"]),
                int(value["seq"]),
                _chunk(value["chunk"]),
                value.get("replay") is True,
            )
        case "welcome":
            return Welcome(float(value["heartbeat_s"]))
        case "accepted":
            return Accepted(str(value["id"]), str(value["answer"]), str(value["epoch"]))
        case "end":
            return End(str(value["answer"]), int(value["seq"]))
        case "resumed":
            answers = tuple(_resumed_answer(answer) for answer in value["answers"])
            return Resumed(str(value["chat"]), answers)
        case "draining":
            return Draining(float(value["retry_after_ms"]) / 1000)
        case "error":
            return _fault(value)
        case _:
            return Other()


def _chunk(value: Any) -> Chunk:
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise TypeError("a chunk is an object with a type")
    return value


def _resumed_answer(value: Mapping[str, Any]) -> ResumedAnswer:
    verdict = value["verdict"]
    if verdict not in ("resumed", "snapshot", "gone"):
        raise ValueError(f"unknown verdict {verdict!r}")
    return ResumedAnswer(str(value["answer"]), str(value["epoch"]), int(value["head"]), verdict)


def _fault(value: Mapping[str, Any]) -> Fault:
    retry_after_ms = value.get("retry_after_ms")
    return Fault(
        code=str(value["code"]),
        message=str(value["message"]),
        id=value.get("id"),
        answer=value.get("answer"),
        retry_after_s=None if retry_after_ms is None else float(retry_after_ms) / 1000,
    )
