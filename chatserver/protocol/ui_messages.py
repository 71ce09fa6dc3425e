"""UI messages of the AI SDK: those that a front end sends, read as a question and the turns before it, and an answer as
one of them. Pure."""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from chatserver.answers.meta import AnswerMeta
from chatserver.protocol.chunks import Chunk
from chatserver.protocol.codes import ErrorCode
from chatserver.protocol.commands import Identifier, InvalidCommand, PastTurn, ProviderKey, Shallow

TURNS = 10
"""Turns before the question that are kept with it."""


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class Part(_Read):
    type: str
    text: str = ""


class UiMessage(_Read):
    """Parts but text have no meaning for a question and are left out."""

    id: Annotated[str, Field(max_length=200)] = ""
    role: Literal["system", "user", "assistant"]
    parts: list[Part]

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts if part.type == "text")


class Body(_Read):
    """What an application adds to a request."""

    namespace: Annotated[str, Field(max_length=200)] = ""
    filter: Shallow | None = None
    options: Shallow = Field(default_factory=dict)
    provider_key: ProviderKey | None = None


class ChatRequest(_Read):
    """A turn: `id` is the chat's. `message_id` names the message that is edited or answered anew."""

    id: Identifier
    messages: Annotated[list[UiMessage], Field(min_length=1, max_length=10_000)]
    trigger: Literal["submit-message", "regenerate-message"] = "submit-message"
    message_id: Annotated[str | None, Field(alias="messageId")] = None


def asked(request: ChatRequest, body: Body, fresh: str) -> dict[str, Any]:
    """The fields of an `ask`. A message that is sent again is the same question; one that is edited, or is to be
    answered anew, has `fresh` in its id. Raises `InvalidCommand`."""
    last = next((n for n in range(len(request.messages) - 1, -1, -1) if request.messages[n].role == "user"), None)
    if last is None:
        raise InvalidCommand(ErrorCode.INVALID_FIELD, "messages: there is no message of a user.")
    message = request.messages[last]
    once = message.id if request.trigger == "submit-message" and request.message_id is None else ""
    turns = turns_of([(each.role, each.text) for each in request.messages[:last]])
    alone = len(request.messages) == 1 and request.message_id is None  # then the server knows the rest
    return {
        "id": fingerprint("ui", request.id, once or fresh, message.text),
        "chat": request.id,
        "text": message.text,
        "namespace": body.namespace,
        "filter": body.filter,
        "options": body.options,
        "provider_key": body.provider_key,
        "history": None if alone else turns,
        "after": None if alone else _after(request.messages[:last]),
    }


def _after(before: Sequence[UiMessage]) -> str | None:
    """The answer that the question follows: the message right before it has its id. Empty when there is none (it is the
    chat's first, edited), None behind a question that was left without an answer."""
    said = [message for message in before if message.role != "system"]
    if not said:
        return ""
    return said[-1].id or None if said[-1].role == "assistant" else None


def turns_of(messages: Sequence[tuple[str, str]]) -> list[PastTurn]:
    """Role and text of each message to the newest turns: a question of a user and what was said to it."""
    turns: list[PastTurn] = []
    for role, text in messages:
        if role == "user":
            turns.append(PastTurn(question=text, answer=""))
        elif role == "assistant" and turns:
            turns[-1] = PastTurn(question=turns[-1].question, answer=turns[-1].answer + text)
    return turns[-TURNS:]


def fingerprint(kind: str, *parts: str) -> str:
    """An id of fixed length that stands for all of its parts."""
    told = hashlib.sha256("\0".join(f"{len(part)}:{part}" for part in parts).encode("utf-8", "surrogatepass"))
    return f"{kind}-{told.hexdigest()[:40]}"


def messages_of(meta: AnswerMeta, chunks: Sequence[Chunk] | None) -> list[dict[str, Any]]:
    """A question and its answer as UI messages, as the SDK makes them of the same stream; None leaves the answer
    out."""
    question = {"id": f"q-{meta.answer}", "role": "user", "parts": [{"type": "text", "text": meta.question.text}]}
    if chunks is None:
        return [question]
    return [question, {"id": meta.answer, "role": "assistant", "parts": parts_of(chunks)}]


def parts_of(chunks: Sequence[Chunk]) -> list[dict[str, Any]]:
    """The parts of a message whose stream had these chunks."""
    parts: list[dict[str, Any]] = []
    texts: dict[str, dict[str, Any]] = {}
    step = 0
    for chunk in chunks:
        match chunk["type"]:
            case "start-step":
                parts.append({"type": "step-start"})
                step = len(parts)
            case "reset-step":
                del parts[step:]
            case "text-start":
                texts[chunk["id"]] = {"type": "text", "text": "", "state": "done"}
                parts.append(texts[chunk["id"]])
            case "text-delta":
                texts[chunk["id"]]["text"] += chunk["delta"]
            case "text-end" if "citations" in chunk:
                texts[chunk["id"]]["citations"] = chunk["citations"]
            case "source-document" | "source-url":
                parts.append(dict(chunk))
            case str(kind) if kind.startswith("data-"):
                parts.append(dict(chunk))
    return parts
