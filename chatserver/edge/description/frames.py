"""The frames of the sockets that no code holds as one type: those of entries, which are written by hand from the log's
bytes, and those of `WebSocketChatTransport`, which are read in parts."""

from typing import Literal

from pydantic import Field

from chatserver.edge.description.entries import Entry
from chatserver.protocol.ai_sdk import BodyFrame, RequestFrame, ResumeFrame
from chatserver.protocol.sparse import Sparse
from chatserver.protocol.ui_messages import ChatRequest


class Chunk(Sparse):
    """One entry of an answer."""

    type: Literal["chunk"]
    answer: str
    epoch: str
    seq: int
    chunk: Entry
    replay: Literal[True] | None = None
    """It was in the log before this connection began to read."""


class AiSdkSend(ChatRequest, BodyFrame):
    """Asks; the answer is told under the request's id."""

    type: Literal["send"]


class AiSdkResume(ResumeFrame):
    """Tells the newest answer of the chat `id` from its start."""

    type: Literal["resume"]


class AiSdkAbort(RequestFrame):
    """Ends the generation of the answer that is told under this id."""

    type: Literal["abort"]


class AiSdkChunk(Sparse):
    """One entry of the answer."""

    type: Literal["chunk"]
    request: str = Field(serialization_alias="requestId")
    sequence: int
    chunk: Entry
