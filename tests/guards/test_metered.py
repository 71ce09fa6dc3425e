"""What a model's answer costs its asker."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import pytest

from chatserver.access.identity import Identity
from chatserver.access.quotas import UNLIMITED
from chatserver.guards.metered import MeteredForms, MeteredModel
from chatserver.guards.watch import Counts
from chatserver.models.port import (
    Context,
    Filled,
    Form,
    Message,
    ModelError,
    ModelRequest,
    TextPart,
    UsagePart,
    Used,
)
from chatserver.models.scripted import Fault, ScriptedModel, Step

REQUEST = ModelRequest("question", "en", Context(), (Message("user", "x" * 300),), user="ada")


@dataclass
class Ledger:
    """Quotas that write down what was spent."""

    entries: list[tuple[str, int, int]] = field(default_factory=list)
    connection = staticmethod(UNLIMITED.connection)
    place = staticmethod(UNLIMITED.place)
    request = staticmethod(UNLIMITED.request)
    question = staticmethod(UNLIMITED.question)

    async def ingest(self, identity: Identity, size: int) -> None:
        raise NotImplementedError

    async def spent(self, user: str, input_tokens: int, output_tokens: int) -> None:
        self.entries.append((user, input_tokens, output_tokens))


async def spent(*steps: Step, request: ModelRequest = REQUEST, parts: int = 100) -> list[tuple[str, int, int]]:
    """What is charged for an answer of which so many parts are read."""
    ledger = Ledger()
    stream = MeteredModel(ScriptedModel(list(steps)), ledger, Counts()).stream(request)
    async for _ in stream:
        parts -= 1
        if not parts:
            break
    await stream.aclose()
    return ledger.entries


async def test_an_answer_costs_what_the_model_says() -> None:
    """Its own usage, once, to whoever asked."""
    assert await spent(TextPart("a"), TextPart("b"), UsagePart(120, 7)) == [("ada", 120, 7)]


async def test_stopping_early_is_not_free() -> None:
    """Before the model has told its usage it is estimated, towards too much."""
    assert await spent(TextPart("abcd"), TextPart("e"), UsagePart(1, 1), parts=1) == [("ada", 100, 2)]


async def test_a_key_of_ones_own_costs_the_server_nothing() -> None:
    """Nothing is charged for it."""
    assert await spent(TextPart("a"), UsagePart(1, 1), request=replace(REQUEST, provider_key="own")) == []


async def test_a_model_that_refuses_costs_nothing_and_one_that_breaks_does() -> None:
    """What was told before the failure was paid for."""
    ledger = Ledger()
    with pytest.raises(ModelError):
        _ = [part async for part in MeteredModel(ScriptedModel([Fault("refused")]), ledger, Counts()).stream(REQUEST)]
    assert ledger.entries == []
    broken = MeteredModel(ScriptedModel([TextPart("abc"), Fault("broken")]), ledger, Counts())
    with pytest.raises(ModelError):
        _ = [part async for part in broken.stream(REQUEST)]
    assert ledger.entries == [("ada", 100, 1)]
    await broken.aclose()


@dataclass
class Filler:
    """A model that fills in what it is told to, and says what that took, or fails."""

    usage: UsagePart | None = None
    error: ModelError | None = None

    async def fill(
        self,
        messages: Sequence[Message],
        form: Form[Filled],
        *,
        provider_key: str | None = None,
        used: Used = lambda usage: None,
    ) -> Filled:
        if self.usage is not None:
            used(self.usage)
        if self.error is not None:
            raise self.error
        return form.read("x")


async def decided(filler: Filler, *, provider_key: str | None = None) -> list[tuple[str, int, int]]:
    """What is charged for one decision."""
    ledger = Ledger()
    forms = MeteredForms(filler, ledger, Counts())
    with suppress(ModelError):
        form: Form[str] = Form("form", {}, str)
        assert await forms.fill(REQUEST.messages, form, user="ada", provider_key=provider_key) == "x"
    return ledger.entries


def failed(code: str) -> ModelError:
    return ModelError("", code=code, temporary=True)


async def test_what_is_decided_beforehand_costs_too() -> None:
    """As much as the model says, also when its form is of no use; by estimate where it says nothing or was cut off;
    nothing when it was not asked, has refused, or the key is the asker's own."""
    assert await decided(Filler(UsagePart(40, 9))) == [("ada", 40, 9)]
    assert await decided(Filler(UsagePart(40, 9), failed("model_unfit"))) == [("ada", 40, 9)]
    assert await decided(Filler()) == [("ada", 100, 0)]
    assert await decided(Filler(error=failed("upstream_timeout"))) == [("ada", 100, 0)]
    assert await decided(Filler(error=failed("upstream_paused"))) == []
    assert await decided(Filler(error=failed("model_unauthorized"))) == []
    assert await decided(Filler(UsagePart(40, 9)), provider_key="own") == []
