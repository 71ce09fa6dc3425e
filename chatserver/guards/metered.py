"""A model whose users pay, up to what they may spend in a day."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final

from chatserver.access.quotas import Quotas
from chatserver.guards.guard import TooSlow
from chatserver.guards.watch import Watch
from chatserver.models.port import (
    Filled,
    Form,
    FormModel,
    Message,
    Model,
    ModelError,
    ModelPart,
    ModelRequest,
    TextPart,
    UsagePart,
)

CHARACTERS: Final = 3
"""To a token, for an answer that was stopped before the model told its usage. English and Dutch have four or more:
the estimate errs towards too much, so that stopping early saves nobody their ceiling."""


class MeteredModel:
    """Tells `quotas` what each call has cost; one with the asker's own key costs the server nothing. `watch` hears
    what the model says that it was, whoever pays."""

    def __init__(self, model: Model, quotas: Quotas, watch: Watch) -> None:
        self.name = model.name
        self._model = model
        self._quotas = quotas
        self._watch = watch

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelPart, None]:
        usage: UsagePart | None = None
        written, refused = 0, False
        try:
            async with aclosing(self._model.stream(request)) as parts:
                async for part in parts:
                    if isinstance(part, UsagePart):
                        usage = part
                    elif isinstance(part, TextPart):
                        written += len(part.text)
                    yield part
        except ModelError:
            refused = not written
            raise
        finally:
            if usage is not None:
                self._watch.spoke(usage.input_tokens, usage.output_tokens)
            if request.provider_key is None and not (refused and usage is None):
                spent = usage or _estimated(request, written)
                await self._quotas.spent(request.user, spent.input_tokens, spent.output_tokens)

    async def aclose(self) -> None:
        await self._model.aclose()


class MeteredForms:
    """The same for what a model is asked beside the answer. What was cut off in the middle is charged by estimate: the
    model has read it."""

    def __init__(self, model: FormModel, quotas: Quotas, watch: Watch) -> None:
        self._model = model
        self._quotas = quotas
        self._watch = watch

    async def fill(
        self, messages: Sequence[Message], form: Form[Filled], *, user: str, provider_key: str | None
    ) -> Filled:
        told: list[UsagePart] = []
        refused = False
        try:
            return await self._model.fill(messages, form, provider_key=provider_key, used=told.append)
        except ModelError as error:
            refused = error.code != TooSlow.code
            raise
        finally:
            for usage in told:
                self._watch.spoke(usage.input_tokens, usage.output_tokens)
            if provider_key is None and not (refused and not told):
                for usage in told or [UsagePart(_tokens(messages), 0)]:
                    await self._quotas.spent(user, usage.input_tokens, usage.output_tokens)


def _estimated(request: ModelRequest, written: int) -> UsagePart:
    return UsagePart(_tokens(request.messages), -(-written // CHARACTERS))


def _tokens(messages: Sequence[Message]) -> int:
    return -(-sum(len(message.content) for message in messages) // CHARACTERS)
