"""Ports whose calls are spans of their own."""

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from chatserver.models.port import Model, ModelError, ModelPart, ModelRequest, TextPart, UsagePart
from chatserver.tracing.port import Tracer
from retrieval.ports import Leg
from retrieval.types import Hit, Query


def traced_leg(name: str, leg: Leg, tracer: Tracer) -> Leg:
    """A leg of the retrieval, with its hits."""

    async def traced(query: Query) -> Sequence[Hit]:
        with tracer.span(f"leg {name}") as span:
            hits = await leg(query)
            span.note(hits=len(hits))
            return hits

    return traced


class TracedModel:
    """From the request to the last part: when it spoke first, how much, and what it says that it was."""

    def __init__(self, model: Model, tracer: Tracer) -> None:
        self.name = model.name
        self._model = model
        self._tracer = tracer

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelPart, None]:
        span = self._tracer.begin("model", model=self.name)
        began, spoken, error = time.perf_counter(), 0, "given_up"
        try:
            async with aclosing(self._model.stream(request)) as parts:
                async for part in parts:
                    if isinstance(part, TextPart):
                        if not spoken:
                            span.note(first_text_ms=round((time.perf_counter() - began) * 1000, 1))
                        spoken += 1
                    elif isinstance(part, UsagePart):
                        span.note(input_tokens=part.input_tokens, output_tokens=part.output_tokens)
                    yield part
            error = ""
        except ModelError as failure:
            error = failure.code
            raise
        finally:
            span.note(parts=spoken)
            span.end(error)

    async def aclose(self) -> None:
        await self._model.aclose()
