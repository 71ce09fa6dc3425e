"""A model that is tried again when it fails for a passing reason before it has said anything."""

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import structlog

from chatserver.models.port import Model, ModelError, ModelPart, ModelRequest, TextPart

log = structlog.get_logger(__name__)

ATTEMPTS = 3
_FIRST_WAIT_S = 0.5
_JITTER_S = 0.5


class RetryingModel:
    """Up to ATTEMPTS calls, waiting 0.5 s, 1 s, … plus up to 0.5 s at random, or as long as the upstream asked for.
    Once text was given out a failure is passed on: what a reader has seen can't be told again behind their back. The
    answer's own deadline bounds it all."""

    def __init__(
        self,
        model: Model,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self.name = model.name
        self._model = model
        self._sleep = sleep
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelPart, None]:
        for attempt in range(ATTEMPTS):
            said = False
            try:
                async with aclosing(self._model.stream(request)) as parts:
                    async for part in parts:
                        said = said or isinstance(part, TextPart)
                        yield part
                return
            except ModelError as error:
                if said or not error.temporary or attempt == ATTEMPTS - 1:
                    raise
                wait_s = self._wait_s(attempt, error)
                log.warning("model tried again", code=error.code, attempt=attempt + 1, wait_s=round(wait_s, 2))
            await self._sleep(wait_s)

    async def aclose(self) -> None:
        await self._model.aclose()

    def _wait_s(self, attempt: int, error: ModelError) -> float:
        if error.retry_after_s is not None:
            return error.retry_after_s
        return _FIRST_WAIT_S * 2.0**attempt + self._rng.uniform(0, _JITTER_S)
