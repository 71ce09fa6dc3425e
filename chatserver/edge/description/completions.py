"""What the doors of the OpenAI API give, as JSON documents."""

from typing import Literal

from pydantic import RootModel

from chatserver.protocol.sparse import Sparse


class CompletionError(Sparse):
    """An error as the `openai` SDKs look for it."""

    message: str
    type: str
    param: None
    code: str


class ModelRow(Sparse):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class Models(Sparse):
    object: Literal["list"]
    data: list[ModelRow]


class UrlCitation(Sparse):
    start_index: int
    end_index: int
    title: str
    url: str


class Annotation(Sparse):
    type: Literal["url_citation"]
    url_citation: UrlCitation


class CompletionUsage(Sparse):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class CompletionMessage(Sparse):
    role: Literal["assistant"]
    content: str
    refusal: None
    annotations: list[Annotation]


class CompletionChoice(Sparse):
    index: int
    message: CompletionMessage
    finish_reason: Literal["stop"]
    logprobs: None


class Completion(Sparse):
    id: str
    created: int
    model: str
    object: Literal["chat.completion"]
    choices: list[CompletionChoice]
    usage: CompletionUsage | None = None


class CompletionDelta(Sparse):
    role: Literal["assistant"] | None = None
    content: str | None = None
    annotations: list[Annotation] | None = None


class CompletionChunkChoice(Sparse):
    index: int
    delta: CompletionDelta
    finish_reason: Literal["stop"] | None


class CompletionChunk(Sparse):
    id: str
    created: int
    model: str
    object: Literal["chat.completion.chunk"]
    choices: list[CompletionChunkChoice]
    usage: CompletionUsage | None = None


class CompletionFailure(Sparse):
    """Ends a stream that could not be told whole; the status 502 of one that is not streamed."""

    error: CompletionError


class CompletionEvent(RootModel[CompletionChunk | CompletionFailure]):
    """`data` of an event, but for the last one's `[DONE]`."""
