"""UI message chunks: the payload of every entry of an answer's log.

The vocabulary is that of the Vercel AI SDK 7 (npm `ai`, `uiMessageChunkSchema`), so that existing front ends read
our log unchanged. `data-*` chunks are ours. A chunk is a plain JSON object; these functions are the only place
that spells its fields.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from typing_extensions import TypedDict

Chunk: TypeAlias = dict[str, Any]
"""One JSON object with a `type`."""

FinishReason: TypeAlias = Literal["stop", "length", "content-filter", "tool-calls", "error", "other"]

TERMINAL: frozenset[str] = frozenset({"finish", "abort", "error"})
"""Types that seal an answer: nothing follows them."""


class CitedSource(TypedDict):
    type: Literal["source"]
    sourceType: Literal["document"]
    id: str
    mediaType: str
    title: str


class Citation(TypedDict):
    """`text[startIndex:endIndex]` of the text part (code points) rests on `source`; `citedText` is its own words."""

    source: CitedSource
    startIndex: int
    endIndex: int
    citedText: str


def citation(source_id: str, title: str, start: int, end: int, quote: str, media_type: str = "text/plain") -> Citation:
    source: CitedSource = {
        "type": "source",
        "sourceType": "document",
        "id": source_id,
        "mediaType": media_type,
        "title": title,
    }
    return {"source": source, "startIndex": start, "endIndex": end, "citedText": quote}


def start(message_id: str) -> Chunk:
    return {"type": "start", "messageId": message_id}


def start_step() -> Chunk:
    return {"type": "start-step"}


def finish_step() -> Chunk:
    return {"type": "finish-step"}


def reset_step() -> Chunk:
    """Drop what the open step has shown: it is told again from its start."""
    return {"type": "reset-step"}


def text_start(part: str) -> Chunk:
    return {"type": "text-start", "id": part}


def text_delta(part: str, delta: str) -> Chunk:
    return {"type": "text-delta", "id": part, "delta": delta}


def text_end(part: str, citations: Sequence[Citation] = ()) -> Chunk:
    chunk: Chunk = {"type": "text-end", "id": part}
    if citations:
        chunk["citations"] = list(citations)
    return chunk


def source_document(source_id: str, title: str, media_type: str = "text/plain") -> Chunk:
    return {"type": "source-document", "sourceId": source_id, "mediaType": media_type, "title": title}


def data(name: str, payload: Mapping[str, Any] | Sequence[Any]) -> Chunk:
    """One of ours: `decision`, `retrieval`, `records`, `notice`, `timing`, …"""
    return {"type": f"data-{name}", "data": payload}


def error(text: str, code: str) -> Chunk:
    """`text` is fit for users: never an exception's own words."""
    return {"type": "error", "errorText": text, "code": code}


def abort(reason: str) -> Chunk:
    return {"type": "abort", "reason": reason}


def finish(reason: FinishReason = "stop") -> Chunk:
    return {"type": "finish", "finishReason": reason}


def is_terminal(chunk: Chunk) -> bool:
    return chunk["type"] in TERMINAL
