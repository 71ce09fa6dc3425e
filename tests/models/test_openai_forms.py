"""Structured output through the real SDK: a strict JSON Schema asked of `OpenAIServer`, and what may come back."""

import asyncio
import json
from contextlib import suppress

import pytest

from chatserver.models.openai_compatible import OpenAICompatibleModel
from chatserver.models.port import FormModel, Message, ModelError
from chatserver.pipeline.form import ADVICE, Advice
from graph.types import Aggregate, Condition, Group, RecordQuery
from tests.models.openai_server import RETRIEVE, Answer, OpenAIServer, completing, refusing, streaming

pytestmark = pytest.mark.asyncio(loop_scope="module")

MESSAGES = (Message("system", "Fill in the form."), Message("user", "hi"))
QUERY = {
    "collection": "TelemetryEvent",
    "conditions": [
        {"field": "value", "operator": ">", "values": [3.5]},
        {"field": "severity", "operator": "in", "values": ["critical", "warning"]},
    ],
    "groups": [{"field": "t_start", "period": "day"}],
    "aggregates": [{"function": "avg", "field": "value"}],
    "sort": None,
    "descending": True,
    "limit": 1000,
}

NO_VALUE = {"field": "value", "operator": "=", "values": []}


async def fill(server: OpenAIServer, key: str | None = None) -> Advice:
    model = OpenAICompatibleModel("m", api_key="sk-1", base_url=server.url)
    assert isinstance(model, FormModel)
    try:
        return await model.fill(MESSAGES, ADVICE, provider_key=key)
    finally:
        await model.aclose()


async def test_a_form_is_asked_for_by_a_strict_schema(server: OpenAIServer) -> None:
    """The server, which takes no schema that leaves something open, gets one; what it fills in comes back as values."""
    filled = {**RETRIEVE, "language": "nl", "query": " Hoe warm is T-110? ", "queries": [QUERY]}
    server.filling = completing(json.dumps(filled))
    conditions = (Condition("value", ">", 3.5), Condition("severity", "in", ("critical", "warning")))
    groups, aggregates = (Group("t_start", "day"),), (Aggregate("avg", "value"),)
    query = RecordQuery("TelemetryEvent", conditions, None, True, 50, groups, aggregates)
    assert await fill(server) == Advice("retrieve", "a question", "nl", "Hoe warm is T-110?", (query,))
    ((body, authorization),) = server.forms
    assert (body["messages"][0]["content"], authorization) == ("Fill in the form.", "Bearer sk-1")
    assert body.get("stream", False) is False


async def test_a_form_is_paid_for_with_the_askers_key(server: OpenAIServer) -> None:
    """The key that a question brings goes with its form too."""
    await fill(server, "sk-2")
    assert [key for _, key in server.forms] == ["Bearer sk-2"]


@pytest.mark.parametrize(
    "answer",
    [
        completing("Sure! Here is the form."),
        completing(json.dumps({**RETRIEVE, "kind": "poem"})),
        completing(json.dumps({name: value for name, value in RETRIEVE.items() if name != "query"})),
        completing(json.dumps({**RETRIEVE, "thought": "hm"})),
        completing(json.dumps({**RETRIEVE, "query": "x" * 501})),
        completing(json.dumps({**RETRIEVE, "queries": [{**QUERY, "conditions": [NO_VALUE]}]})),
        completing(json.dumps(RETRIEVE)[:40], finish="length"),
        completing(None, refusal="I can't help with that."),
        streaming('data: {"choices": []}\n\n'),
    ],
    ids=["prose", "kind", "missing", "extra", "too long", "no value", "cut", "refusal", "a stream"],
)  # fmt: skip
async def test_what_does_not_fit_the_form_is_an_error(server: OpenAIServer, answer: Answer) -> None:
    """A server that does not keep to the schema is told by a code of its own."""
    server.filling = answer
    with pytest.raises(ModelError) as failed:
        await fill(server)
    assert (failed.value.code, failed.value.temporary) == ("model_unfit", True)


@pytest.mark.parametrize(
    ("answer", "code", "temporary"),
    [(refusing(400), "model_rejected", False), (refusing(503), "model_unavailable", True)],
    ids=["no such format", "down"],
)
async def test_a_refused_form_is_typed(server: OpenAIServer, answer: Answer, code: str, temporary: bool) -> None:
    """As a refused answer is; asked once."""
    server.filling = answer
    with pytest.raises(ModelError) as failed:
        await fill(server)
    assert (failed.value.code, failed.value.temporary, len(server.forms)) == (code, temporary, 1)


async def test_a_key_that_is_quoted_in_a_refusal_is_hidden(server: OpenAIServer) -> None:
    """The error's text has neither the server's key nor the asker's."""
    server.filling = refusing(401, message="Incorrect API key: sk-2 or sk-1")
    with pytest.raises(ModelError) as failed:
        await fill(server, "sk-2")
    assert failed.value.code == "model_unauthorized"
    assert "sk-" not in str(failed.value)


async def test_cancelling_a_form_ends_the_call(server: OpenAIServer) -> None:
    """A decision that nobody waits for any more is not paid for to its end."""
    server.filling = server.stalling("{")
    task = asyncio.create_task(fill(server))
    async with asyncio.timeout(30):
        while not server.forms:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await asyncio.wait_for(server.closed.wait(), 30)
