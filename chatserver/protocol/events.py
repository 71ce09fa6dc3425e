"""Events of chat.v1: what the server sends. Pure.

Every event is a JSON text frame. `chunk_frames` writes the frame of the hot path by hand: the chunk's JSON comes from
the log as it stands and is not decoded again.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from chatserver.answers.position import Verdict
from chatserver.answers.states import AnswerState
from chatserver.protocol.codes import ErrorCode
from chatserver.protocol.sparse import Sparse

SUBPROTOCOL = "chat.v1"


class Welcome(Sparse):
    type: Literal["welcome"] = "welcome"
    connection: str
    server: str
    heartbeat_s: float
    max_message_bytes: int
    resumed: bool = False


class Accepted(Sparse):
    type: Literal["accepted"] = "accepted"
    id: str
    answer: str
    chat: str
    epoch: str


class End(Sparse):
    type: Literal["end"] = "end"
    answer: str
    seq: int
    state: AnswerState


class ResumedAnswer(BaseModel):
    model_config = ConfigDict(frozen=True)

    answer: str
    epoch: str
    head: int
    state: AnswerState | Literal["gone"]
    verdict: Verdict


class Resumed(Sparse):
    type: Literal["resumed"] = "resumed"
    chat: str
    answers: list[ResumedAnswer]


class Pong(Sparse):
    type: Literal["pong"] = "pong"
    id: str | int


class Draining(Sparse):
    type: Literal["draining"] = "draining"
    retry_after_ms: int


class Error(Sparse):
    type: Literal["error"] = "error"
    code: ErrorCode
    message: str
    id: str | None = None
    answer: str | None = None
    retry_after_ms: int | None = None


Event: TypeAlias = Welcome | Accepted | End | Resumed | Pong | Draining | Error


def chunk_frames(answer: str, epoch: str, first: int, entries: Sequence[bytes]) -> list[str]:
    """The frames of consecutive entries from seq `first` on. `answer` and `epoch` are ours and need no escaping."""
    head = f'{{"type":"chunk","answer":"{answer}","epoch":"{epoch}","seq":'
    return [f'{head}{seq},"chunk":{entry.decode()}}}' for seq, entry in enumerate(entries, first)]


def as_replay(frame: str) -> str:
    """The same frame, marked as told before this connection began to listen."""
    return frame[:-1] + ',"replay":true}'
