"""A model behind its guard."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from chatserver.guards.guard import Guard, Paused, TooSlow
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
    Used,
)


class GuardedModel:
    """Tried again as long as it has said nothing; once text was given out a failure is passed on: what a reader has
    seen can't be told again behind their back. That text was given out is what the breaker calls success. The
    answer's own deadline bounds it all."""

    def __init__(self, model: Model, guard: Guard) -> None:
        self.name = model.name
        self._model = model
        self._guard = guard

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelPart, None]:
        try:
            begun, parts = await self._guard.call(lambda: _begin(self._model, request))
        except Paused as error:
            raise ModelError(
                str(error), code="model_unavailable", temporary=True, retry_after_s=error.retry_after_s
            ) from None
        async with aclosing(parts):
            for part in begun:
                yield part
            async for part in parts:
                yield part

    async def aclose(self) -> None:
        await self._model.aclose()


class GuardedForms:
    """One that takes longer than `limit_s` has failed: a decision that comes late is worth nothing."""

    def __init__(self, model: FormModel, guard: Guard, limit_s: float) -> None:
        self._model = model
        self._guard = guard
        self._limit_s = limit_s

    async def fill(
        self,
        messages: Sequence[Message],
        form: Form[Filled],
        *,
        provider_key: str | None = None,
        used: Used = lambda usage: None,
    ) -> Filled:
        try:
            return await self._guard.call(
                lambda: self._model.fill(messages, form, provider_key=provider_key, used=used), within_s=self._limit_s
            )
        except (Paused, TooSlow) as error:
            raise ModelError(str(error), code=error.code, temporary=True) from None


async def _begin(model: Model, request: ModelRequest) -> tuple[list[ModelPart], AsyncGenerator[ModelPart, None]]:
    """The parts up to the first text, and the stream of the others; closed when it fails before."""
    parts = model.stream(request)
    begun: list[ModelPart] = []
    try:
        async for part in parts:
            begun.append(part)
            if isinstance(part, TextPart):
                break
    except BaseException:
        await parts.aclose()
        raise
    return begun, parts
