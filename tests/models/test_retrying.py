import random
from collections.abc import AsyncGenerator, Sequence

import pytest

from chatserver.models.port import Context, ModelError, ModelPart, ModelRequest, TextPart
from chatserver.models.retrying import ATTEMPTS, RetryingModel
from chatserver.models.scripted import Fault, ScriptedModel, Step

REQUEST = ModelRequest("question", "en", Context(), ())


class Flaky:
    """Plays one script after the other, one for each call."""

    name = "flaky"

    def __init__(self, *scripts: Sequence[Step]) -> None:
        self._scripts = list(scripts)
        self.calls = 0

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelPart, None]:
        self.calls += 1
        return ScriptedModel(self._scripts.pop(0)).stream(request)

    async def aclose(self) -> None:
        """Nothing is held."""


class Waits:
    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


async def told(model: Flaky, waits: Waits) -> list[ModelPart]:
    retrying = RetryingModel(model, sleep=waits, rng=random.Random(1))
    return [part async for part in retrying.stream(REQUEST)]


async def test_a_passing_failure_before_any_text_is_tried_again_with_growing_waits() -> None:
    """Two refusals, then the answer: the reader sees only the answer."""
    model, waits = Flaky([Fault("refused")], [Fault("timeout")], [TextPart("answer")]), Waits()
    assert await told(model, waits) == [TextPart("answer")]
    assert model.calls == 3
    first, second = waits.seconds
    assert 0.5 <= first <= 1.0 <= second <= 1.5


async def test_the_upstreams_own_wait_is_honoured() -> None:
    """A rate limit that says when to come back is waited for exactly."""
    model, waits = Flaky([Fault("rate_limited")], [TextPart("answer")]), Waits()
    await told(model, waits)
    assert waits.seconds == [1.0]


@pytest.mark.parametrize(
    "scripts",
    [[[Fault("unauthorized")]], [[TextPart("begun"), Fault("broken")]], [[Fault("refused")]] * ATTEMPTS],
    ids=["permanent", "after text", "too often"],
)
async def test_other_failures_are_passed_on(scripts: list[list[Step]]) -> None:
    """A permanent failure, one after text, and the last of too many reach the pipeline."""
    model = Flaky(*scripts)
    with pytest.raises(ModelError):
        await told(model, Waits())
    assert model.calls == len(scripts)
