import asyncio
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatserver.models.port import Context, Model, ModelError, ModelPart, ModelRequest, TextPart, UsagePart
from chatserver.models.scripted import Delay, Fault, Script, ScriptedModel, Stall, parse_script, token_text


def request(question: str) -> ModelRequest:
    return ModelRequest(question, "en", Context(), ())


async def parts(model: Model, question: str = "hello") -> list[ModelPart]:
    return [part async for part in model.stream(request(question))]


async def until_error(model: Model, question: str = "hello") -> tuple[list[ModelPart], ModelError]:
    said: list[ModelPart] = []
    try:
        async for part in model.stream(request(question)):
            said.append(part)  # noqa: PERF401 (what came before the error counts)
    except ModelError as error:
        return said, error
    raise AssertionError("the model did not fail")


def text(parts: list[ModelPart]) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextPart))


async def test_a_script_is_said_in_order() -> None:
    """The parts of a script come out as they went in."""
    said: list[TextPart | UsagePart] = [TextPart("one "), TextPart("two"), UsagePart(1, 2)]
    assert await parts(ScriptedModel(said)) == said


async def test_a_script_repeats() -> None:
    """Two questions get the same answer."""
    model = ScriptedModel([TextPart("same")])
    assert await parts(model) == await parts(model)


async def test_a_fault_comes_after_what_was_said() -> None:
    """A fault mid-stream leaves the parts before it and raises the adapter's error."""
    said, error = await until_error(ScriptedModel([TextPart("a"), Fault("rate_limited"), TextPart("b")]))
    assert said == [TextPart("a")]
    assert (error.code, error.temporary, error.retry_after_s) == ("model_rate_limited", True, 1.0)


async def test_delays_use_the_injected_sleep() -> None:
    """Delays are slept in the order and for the seconds that the directives say."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    await parts(ScriptedModel(sleep=sleep), "/script tokens=3 delay_ms=10 first_ms=500")
    assert slept == [0.5, 0.01, 0.01]


async def test_directives_drive_the_model() -> None:
    """A `/script` question gets exactly the text that the checker recomputes from it."""
    question = "/script tokens=200 size=12"
    said = await parts(ScriptedModel(), question)
    assert text(said) == parse_script(question).text()
    assert text(said).split()[150].startswith("t150")
    assert said[-1] == UsagePart(input_tokens=0, output_tokens=200)


async def test_a_plain_question_gets_the_default_script() -> None:
    """A server run on the scripted model answers any question."""
    assert text(await parts(ScriptedModel(), "What is a chiller?")) == Script().text()


async def test_fail_after_keeps_the_tokens_before() -> None:
    """`fail_after` raises once that many tokens are out."""
    said, error = await until_error(ScriptedModel(), "/script tokens=9 fail_after=4 error=refused")
    assert text(said) == "".join(token_text(n) for n in range(4))
    assert error.code == "model_unavailable"


async def test_an_error_alone_fails_at_once() -> None:
    """`error` without `fail_after` refuses the question."""
    with pytest.raises(ModelError) as caught:
        await parts(ScriptedModel(), "/script error=unauthorized")
    assert caught.value.code == "model_unauthorized"


@pytest.mark.parametrize(
    "question", ["/script speed=3", "/script tokens", "/script tokens=-1", "/script tokens=², error=odd", "/script =1"]
)
async def test_an_invalid_directive_is_an_error(question: str) -> None:
    """A directive that does not exist, or a value that it can't have, is told with a code."""
    with pytest.raises(ModelError) as caught:
        await parts(ScriptedModel(), question)
    assert caught.value.code == "invalid_script"


@pytest.mark.parametrize("stall", [[Stall()], None])
async def test_a_stall_ends_by_cancellation(stall: list[Stall] | None) -> None:
    """A stalled model says nothing until its task is cancelled."""
    task = asyncio.create_task(parts(ScriptedModel(stall), "/script tokens=5 stall_after=2"))
    done, _ = await asyncio.wait({task}, timeout=0.01)
    assert not done
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_an_undelayed_script_can_be_cancelled() -> None:
    """A long script without delays lets the loop have its turns."""
    task = asyncio.create_task(parts(ScriptedModel(), "/script tokens=999999999"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@given(n=st.integers(0, 10**6), size=st.integers(0, 40))
def test_a_token_names_its_number(n: int, size: int) -> None:
    """Every token tells which one it is and is one word of at least the size asked for."""
    token = token_text(n, size)
    assert token.rstrip("x ") == f"t{n}"
    assert len(token.split()) == 1
    assert len(token) == max(size, len(f"t{n} "))


def test_delay_is_a_value() -> None:
    """Steps compare by value, so that scripts can be compared."""
    assert Delay(1.0) == Delay(1.0) != Delay(2.0)
