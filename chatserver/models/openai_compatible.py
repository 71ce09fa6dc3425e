"""Any server that speaks OpenAI's chat completions and embeddings, through the official SDK: the only module that
imports it.

Three silences have their own limits: connecting, waiting for the first token, waiting between two. Nothing is tried
again here; an error says whether trying again may help. However the stream ends, by the server, an error or the
reader, its connection is given back or closed.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time
from typing import cast

import openai
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessageParam

from chatserver.models.port import (
    Filled,
    Form,
    Message,
    ModelError,
    ModelPart,
    ModelRequest,
    NoticePart,
    TextPart,
    UsagePart,
    Used,
)
from retrieval.embedders.checks import check_texts, check_vectors
from retrieval.errors import KeyRejected, Permanent, Temporary
from retrieval.types import Vector

_NO_KEY = "none"
"""The SDK insists on a key; a local server needs none."""

_NOBODYS = cast(Mapping[str, str], {"OpenAI-Organization": openai.Omit(), "OpenAI-Project": openai.Omit()})
"""The SDK sends them with every call, the second from its environment."""

_TEXTS = 256
"""In one call for embeddings."""

_CUT_SHORT = {
    "length": ("model_truncated", "The model reached its length limit: the answer may be incomplete."),
    "content_filter": ("model_filtered", "The model's content filter ended this answer early."),
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds of silence after which the model counts as gone."""

    connect_s: float = 5.0
    first_token_s: float = 60.0
    between_tokens_s: float = 30.0


class OpenAICompatibleModel:
    """`name` is the server's name for the model. Without `base_url`, OpenAI itself."""

    def __init__(
        self,
        name: str,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        organization: str | None = None,
        limits: Limits = Limits(),
    ) -> None:
        self.name = name
        self._limits = limits
        self._client = _client(api_key, base_url, organization, limits.connect_s)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelPart, None]:
        began = False
        finish_reason: str | None = None
        try:
            async with aclosing(self._chunks(request)) as chunks:
                async for chunk in chunks:
                    began = True
                    if chunk.usage is not None:
                        yield UsagePart(chunk.usage.prompt_tokens, chunk.usage.completion_tokens)
                    for choice in chunk.choices[:1]:
                        if text := choice.delta.content or choice.delta.refusal:
                            yield TextPart(text)
                        finish_reason = choice.finish_reason or finish_reason
        except (openai.APIError, TimeoutError, ValueError) as error:
            raise _model_error(error, began=began, keys=(self._client.api_key, request.provider_key)) from None
        if finish_reason is None:
            raise ModelError("the stream ended without a finish reason", code="model_stream_broken", temporary=True)
        if finish_reason in _CUT_SHORT:
            yield NoticePart(*_CUT_SHORT[finish_reason])

    async def fill(
        self,
        messages: Sequence[Message],
        form: Form[Filled],
        *,
        provider_key: str | None = None,
        used: Used = lambda usage: None,
    ) -> Filled:
        """By a strict JSON Schema as the response format. There is no limit of time."""
        try:
            answer = await self._client_of(provider_key).chat.completions.create(
                model=self.name,
                messages=_spelled(messages),
                response_format={
                    "type": "json_schema",
                    "json_schema": {"name": form.name, "strict": True, "schema": dict(form.schema)},
                },
            )
        except (openai.APIError, ValueError) as error:
            raise _model_error(error, began=False, keys=(self._client.api_key, provider_key)) from None
        if (usage := _usage_of(answer)) is not None:
            used(usage)
        try:
            return form.read(_only_text(answer))
        except ValueError as error:
            raise ModelError(f"not the form {form.name}: {error}", code="model_unfit", temporary=True) from None

    async def aclose(self) -> None:
        await self._client.close()

    def _client_of(self, provider_key: str | None) -> openai.AsyncOpenAI:
        """The same connections, whoever's key it is; another's key is not of our organisation."""
        if provider_key is None:
            return self._client
        return self._client.with_options(api_key=provider_key, default_headers=_NOBODYS)

    async def _chunks(self, request: ModelRequest) -> AsyncGenerator[ChatCompletionChunk, None]:
        client = self._client_of(request.provider_key)
        loop = asyncio.get_running_loop()
        first_by = loop.time() + self._limits.first_token_s
        async with asyncio.timeout_at(first_by):
            stream = await client.chat.completions.create(
                model=self.name,
                messages=_spelled(request.messages),
                stream=True,
                stream_options={"include_usage": True},
            )
        try:
            chunks: AsyncIterator[ChatCompletionChunk] = aiter(stream)
            until = first_by
            while True:
                async with asyncio.timeout_at(until):
                    chunk = await anext(chunks, None)
                if chunk is None:
                    return
                yield chunk
                until = loop.time() + self._limits.between_tokens_s
        finally:
            await stream.close()


class OpenAICompatibleEmbedder:
    """`name` is the server's name for the model, `dimension` what it is known to answer with. At most `concurrency`
    calls are under way, each over a connection that is used again, with at most `_TEXTS` texts."""

    def __init__(
        self,
        name: str,
        dimension: int,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        organization: str | None = None,
        concurrency: int = 20,
    ) -> None:
        self.name = name
        self.dimension = dimension
        self._client = _client(api_key, base_url, organization, Limits().connect_s)
        self._places = asyncio.Semaphore(concurrency)

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """Raises what the `Embedder` port says; there is no limit of time."""
        check_texts(texts)
        try:
            async with asyncio.TaskGroup() as group:
                calls = [
                    group.create_task(self._embed(list(texts[start : start + _TEXTS])))
                    for start in range(0, len(texts), _TEXTS)
                ]
        except ExceptionGroup as failures:  # the first has ended the others
            raise failures.exceptions[0] from None
        vectors = [vector for call in calls for vector in call.result()]
        check_vectors(vectors, count=len(texts), dimension=self.dimension)
        return vectors

    async def aclose(self) -> None:
        await self._client.close()

    async def _embed(self, texts: list[str]) -> list[Vector]:
        try:
            async with self._places:
                answer = await self._client.embeddings.create(model=self.name, input=texts)
        except (openai.APIError, ValueError) as error:
            failed = _model_error(error, began=False, keys=(self._client.api_key,))
            if failed.temporary:
                raise Temporary(str(failed), retry_after_s=failed.retry_after_s) from None
            kind = KeyRejected if failed.code == "model_unauthorized" else Permanent
            raise kind(str(failed)) from None
        return [list(one.embedding) for one in sorted(answer.data, key=lambda one: one.index)]


def _client(
    api_key: str | None, base_url: str | None, organization: str | None, connect_s: float
) -> openai.AsyncOpenAI:
    """Nothing is tried again by the SDK itself."""
    return openai.AsyncOpenAI(
        api_key=api_key or _NO_KEY,
        base_url=base_url,
        organization=organization,
        max_retries=0,
        timeout=openai.Timeout(None, connect=connect_s),
    )


def _spelled(messages: Sequence[Message]) -> list[ChatCompletionMessageParam]:
    return [cast(ChatCompletionMessageParam, {"role": m.role, "content": m.content}) for m in messages]


def _usage_of(answer: object) -> UsagePart | None:
    """None for whatever else a server may have sent: the SDK checks nothing."""
    usage = getattr(answer, "usage", None)
    read, written = getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None)
    return UsagePart(read, written) if isinstance(read, int) and isinstance(written, int) else None


def _only_text(answer: ChatCompletion) -> str:
    """Of the first choice; empty when there is none, or it was refused. A server may answer anything at all."""
    choices = getattr(answer, "choices", None) or []
    text = choices[0].message.content if choices else None
    return text if isinstance(text, str) else ""


def _model_error(error: Exception, *, began: bool, keys: Iterable[str | None]) -> ModelError:
    """Raise it `from None`: a server may quote the key that it refuses, and the error's own text would be logged."""
    code, temporary = _classified(error, began=began)
    retry_after_s = _retry_after_s(error.response.headers) if isinstance(error, openai.APIStatusError) else None
    message = f"{type(error).__name__}: {error}"
    for key in keys:
        if key and key != _NO_KEY:
            message = message.replace(key, "[key]")
    return ModelError(message, code=code, temporary=temporary, retry_after_s=retry_after_s)


def _classified(error: Exception, *, began: bool) -> tuple[str, bool]:
    match error:
        case openai.AuthenticationError() | openai.PermissionDeniedError():
            return "model_unauthorized", False
        case openai.RateLimitError():
            return "model_rate_limited", error.code != "insufficient_quota"
        case openai.InternalServerError() | openai.ConflictError():
            return "model_unavailable", True
        case openai.APIStatusError():
            return "model_rejected", False
        case TimeoutError() | openai.APITimeoutError():
            return "model_timeout", True
        case openai.APIConnectionError() if not began:
            return "model_unavailable", True
        case _:  # an error event, a malformed chunk, a connection that broke in the middle
            return "model_stream_broken", True


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """`Retry-After` in seconds or as a date (RFC 9110, 10.2.3); None when absent or neither."""
    value = headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except ValueError:
        return None
