"""Chat completions, as the `openai` SDKs and what is built for them know them: a request read as a question, an answer
told in their chunks. Pure.

Their protocol has no word for text that is withdrawn. When an answer was taken over and its step is told again, what
comes is held against what was said: as long as both are the same, nothing is said twice; where they part, the stream
ends with an error instead of splicing two tellings.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

from chatserver.answers.meta import AnswerMeta
from chatserver.answers.states import AnswerState
from chatserver.protocol.chunks import Chunk, Citation
from chatserver.protocol.codes import CloseCode, ErrorCode
from chatserver.protocol.commands import InvalidCommand
from chatserver.protocol.streams import Script, entry_of
from chatserver.protocol.ui_messages import fingerprint, turns_of

MODEL: Final = "chatserver"
"""This server as a model."""
DONE: Final = "data: [DONE]\n\n"

SourceUrl = Callable[[str], str]
"""From the id of a source to where it can be read."""


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ContentPart(_Read):
    type: str
    text: str = ""


class Message(_Read):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[ContentPart] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content if part.type == "text")
        return self.content or ""


class StreamOptions(_Read):
    include_usage: bool = False


class CompletionRequest(_Read):
    """`metadata.chat` names a chat of the server's; without one the first message does."""

    model: str
    messages: Annotated[list[Message], Field(min_length=1, max_length=10_000)]
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: Literal[1] | None = None
    metadata: dict[str, str] | None = None

    @property
    def wants_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage


def asked(request: CompletionRequest, key: str) -> dict[str, Any]:
    """The fields of an `ask`; the same `key` is the same question. Raises `InvalidCommand`."""
    if request.model != MODEL:
        raise InvalidCommand(ErrorCode.MODEL_NOT_FOUND, f"The model of this server is «{MODEL}».")
    users = [place for place, message in enumerate(request.messages) if message.role == "user"]
    if not users:
        raise InvalidCommand(ErrorCode.INVALID_FIELD, "messages: there is no message of a user.")
    first, last = request.messages[users[0]], request.messages[users[-1]]
    return {
        "id": fingerprint("completion", key),
        "chat": (request.metadata or {}).get("chat") or fingerprint("completions", first.text),
        "text": last.text,
        "history": turns_of([(message.role, message.text) for message in request.messages[: users[-1]]]),
    }


class Retold(Exception):
    """The answer is told again, and differently from what was said."""


class Prose:
    """What is new in the text, where a step may be told again. Raises `Retold`."""

    def __init__(self) -> None:
        self._step = ""
        """Said in the open step."""
        self._again = ""
        """Of that, what is still to be told again."""
        self._start = 0
        self._length = 0

    def take(self, chunk: Chunk) -> tuple[str, list[tuple[int, int, Citation]]]:
        """The text to say, and citations with their places in the whole text (code points)."""
        match chunk["type"]:
            case "start-step":
                self._step = ""
            case "reset-step":
                self._length -= len(self._step)
                self._again, self._step = self._step + self._again, ""
            case "text-start":
                self._start = self._length
            case "text-delta":
                return self._said(chunk["delta"]), []
            case "text-end":
                cited: list[Citation] = chunk.get("citations", [])
                return "", [(self._start + each["startIndex"], self._start + each["endIndex"], each) for each in cited]
            case "finish-step" if self._again:
                raise Retold
        return "", []

    def _said(self, delta: str) -> str:
        known, self._again = self._again[: len(delta)], self._again[len(delta) :]
        if not delta.startswith(known):
            raise Retold
        self._step += delta
        self._length += len(delta)
        return delta[len(known) :]


class CompletionStream:
    """An answer in chunks of a completion."""

    def __init__(self, meta: AnswerMeta, source_url: SourceUrl, *, usage: bool) -> None:
        self._entry = entry_of(meta)
        self._head = {**head_of(meta), "object": "chat.completion.chunk"}
        self._source_url = source_url
        self._wants_usage = usage
        self._usage: Mapping[str, int] | None = None
        self._prose = Prose()
        self._over = False

    def script(self) -> Script:
        return Script(
            self._told, before=self._chunk({"role": "assistant", "content": ""}), after=self._ended, broken=_cut
        )

    def _told(self, frame: str) -> str:
        if self._over:
            return ""
        chunk: Chunk = orjson.loads(self._entry(frame))
        try:
            text, cited = self._prose.take(chunk)
        except Retold:
            return self._failed(
                ErrorCode.RETOLD, "The answer was begun again and is told differently; ask for it again."
            )
        if text:
            return self._chunk({"content": text})
        if cited:
            return self._chunk({"annotations": [annotation(*each, self._source_url) for each in cited]})
        match chunk["type"]:
            case "error":
                return self._failed(chunk.get("code", ErrorCode.INTERNAL), chunk["errorText"])
            case "data-timing":
                self._usage = usage_of(chunk["data"])
        return ""

    def _failed(self, code: str, message: str) -> str:
        self._over = True
        return error_event(code, message)

    def _ended(self, seq: int, state: AnswerState) -> str:
        if self._over:
            return ""
        usage = ""
        if self._wants_usage and self._usage is not None:
            usage = _event({**self._head, "choices": [], "usage": self._usage})
        return self._chunk({}, "stop") + usage + DONE

    def _chunk(self, delta: Mapping[str, Any], finish_reason: str | None = None) -> str:
        return _event({**self._head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]})


class WholeCompletion:
    """An answer in one completion. It says nothing before the end: `failed` may then choose another status."""

    def __init__(self, meta: AnswerMeta, source_url: SourceUrl, *, failed: Callable[[], None]) -> None:
        self._meta = meta
        self._entry = entry_of(meta)
        self._source_url = source_url
        self._failed = failed
        self._chunks: list[Chunk] = []
        self._step = 0

    def script(self) -> Script:
        return Script(self._keep, after=self._ended)

    def _keep(self, frame: str) -> str:
        chunk: Chunk = orjson.loads(self._entry(frame))
        match chunk["type"]:
            case "start-step":
                self._step = len(self._chunks)
            case "reset-step":
                del self._chunks[self._step :]  # nothing of it was said
            case _:
                self._chunks.append(chunk)
        return ""

    def _ended(self, seq: int, state: AnswerState) -> str:
        last = self._chunks[-1]
        if state is AnswerState.FAILED:
            self._failed()
            code = last.get("code", ErrorCode.INTERNAL)
            return orjson.dumps({"error": {**error_of(code, last["errorText"]), "type": "server_error"}}).decode()
        prose, texts, timing = Prose(), [], {}
        cited: list[tuple[int, int, Citation]] = []
        for chunk in self._chunks:
            text, citations = prose.take(chunk)
            texts.append(text)
            cited += citations
            if chunk["type"] == "data-timing":
                timing = chunk["data"]
        return orjson.dumps(completion(self._meta, "".join(texts), cited, timing, self._source_url)).decode()


def completion(
    meta: AnswerMeta, text: str, cited: Sequence[tuple[int, int, Citation]], timing: Mapping[str, Any], url: SourceUrl
) -> dict[str, Any]:
    """A whole answer as one completion."""
    message = {
        "role": "assistant",
        "content": text,
        "refusal": None,
        "annotations": [annotation(*each, url) for each in cited],
    }
    usage = usage_of(timing)
    return {
        **head_of(meta),
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        **({"usage": usage} if usage is not None else {}),
    }


def head_of(meta: AnswerMeta) -> dict[str, Any]:
    return {"id": f"chatcmpl-{meta.answer}", "created": int(meta.question.asked_at), "model": MODEL}


def annotation(start: int, end: int, cited: Citation, source_url: SourceUrl) -> dict[str, Any]:
    """A citation as the API has them: `content[start_index:end_index]` rests on what is behind the URL."""
    source = cited["source"]
    return {
        "type": "url_citation",
        "url_citation": {
            "start_index": start,
            "end_index": end,
            "title": source["title"],
            "url": source_url(source["id"]),
        },
    }


def usage_of(timing: Mapping[str, Any]) -> dict[str, int] | None:
    """Tokens, where the model has counted them."""
    used = timing.get("usage")
    if not used:
        return None
    asked, said = used["input_tokens"], used["output_tokens"]
    return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


def error_of(code: str, message: str) -> dict[str, Any]:
    """As the SDKs look for it."""
    return {"message": message, "type": "invalid_request_error", "param": None, "code": code}


def error_event(code: str, message: str) -> str:
    return _event({"error": {**error_of(code, message), "type": "server_error"}})


def _cut(code: CloseCode, reason: str) -> str:
    """A stream that just ended would pass for the whole."""
    return error_event(ErrorCode.DRAINING, "This server ends the stream; the answer goes on, ask for it again.")


def _event(value: Mapping[str, Any]) -> str:
    return f"data: {orjson.dumps(value).decode()}\n\n"
