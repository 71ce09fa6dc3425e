import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest

from chatserver.guards.breaker import State
from chatserver.guards.guard import Guard
from chatserver.guards.model import GuardedModel
from chatserver.guards.watch import Counts
from chatserver.models.port import Context, ModelError, ModelPart, ModelRequest, TextPart, UsagePart
from chatserver.models.scripted import Fault, ScriptedModel, Stall, Step

REQUEST = ModelRequest("question", "en", Context(), ())


class Flaky:
    """Plays one script after the other, one for each call; counts the streams that were opened and closed."""

    name = "flaky"

    def __init__(self, *scripts: Sequence[Step]) -> None:
        self._scripts = list(scripts)
        self.calls = 0
        self.open = 0
        self.stalled = asyncio.Event()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelPart, None]:
        self.calls += 1
        self.open += 1
        script = self._scripts.pop(0)
        if isinstance(script[0], Stall):
            self.stalled.set()
        try:
            async for part in ScriptedModel(script).stream(request):
                yield part
                self.stalled.set()
        finally:
            self.open -= 1

    async def aclose(self) -> None:
        """Nothing is held."""


async def told(model: Flaky, guard: Guard) -> list[ModelPart]:
    return [part async for part in GuardedModel(model, guard).stream(REQUEST)]


async def test_a_passing_failure_before_any_text_is_tried_again(guard: Guard) -> None:
    """Two failures, then the answer: the reader sees only the answer, in its order."""
    answer: list[ModelPart] = [UsagePart(1, 0), TextPart("some"), TextPart("thing")]
    model = Flaky([Fault("refused")], [UsagePart(1, 0), Fault("timeout")], list(answer))
    assert await told(model, guard) == answer
    assert (model.calls, model.open) == (3, 0)


@pytest.mark.parametrize(
    "scripts",
    [[[Fault("unauthorized")]], [[TextPart("begun"), Fault("broken")]], [[Fault("refused")]] * 3],
    ids=["permanent", "after text", "too often"],
)
async def test_other_failures_are_passed_on(guard: Guard, scripts: list[list[Step]]) -> None:
    """A permanent failure, one after text, and the last of too many reach the pipeline."""
    model = Flaky(*scripts)
    with pytest.raises(ModelError):
        await told(model, guard)
    assert (model.calls, model.open) == (len(scripts), 0)


async def test_a_model_that_is_left_alone_is_unavailable(guard: Guard) -> None:
    """The pipeline gets a code that it has words for, and when to come back; the model is not called."""
    failing = Flaky(*[[Fault("refused")]] * 5)
    for _ in range(2):
        with pytest.raises(ModelError):
            await told(failing, guard)
    assert guard.state is State.OPEN
    model = Flaky([TextPart("answer")])
    with pytest.raises(ModelError) as refused:
        await told(model, guard)
    assert (refused.value.code, refused.value.retry_after_s, model.calls) == ("model_unavailable", 60, 0)


async def test_an_empty_answer_is_passed_on(guard: Guard) -> None:
    """A model that says nothing and does not fail is the pipeline's to judge."""
    assert await told(Flaky([UsagePart(1, 0)]), guard) == [UsagePart(1, 0)]


@pytest.mark.parametrize("script", [[Stall()], [TextPart("begun"), Stall()]], ids=["before text", "after text"])
async def test_a_reader_that_leaves_ends_the_call(guard: Guard, counts: Counts, script: list[Step]) -> None:
    """Cancelled while it waits: the model's stream is closed, and the breaker has learnt nothing bad."""
    model = Flaky(script)
    task = asyncio.create_task(told(model, guard))
    await asyncio.wait_for(model.stalled.wait(), 30)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert model.open == 0
    assert not any(outcome == "temporary" for _, outcome in counts.attempts)


async def test_a_reader_that_closes_the_stream_ends_the_call(guard: Guard) -> None:
    """Closing the iterator in the middle closes the model's."""
    model = Flaky([TextPart("begun"), Stall()])
    stream = GuardedModel(model, guard).stream(REQUEST)
    assert await anext(stream) == TextPart("begun")
    await stream.aclose()
    assert model.open == 0
