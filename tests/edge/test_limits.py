"""Limits as clients meet them: a real server with logins and small quotas."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr

from chatserver.cli.reach import own_server
from chatserver.settings import Access, Model, Quotas, Settings, Storage
from tests.access.minutes import in_one_minute
from tests.access.tokens import KEY, token
from tests.edge.test_authorisation import Served, bearer, event, said

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUOTAS = Quotas(
    max_connections=4,
    user_connections=2,
    user_questions=3,
    user_requests=5,
    user_spend=0.001,
    output_price=1000.0,
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    settings = Settings(
        storage=Storage(data_dir=tmp_path_factory.mktemp("data")),
        model=Model(name="scripted"),
        access=Access(token_keys=SecretStr(KEY)),
        quotas=QUOTAS,
    )
    async with own_server(settings) as url:
        yield Served(url)


async def test_too_many_questions(served: Served) -> None:
    """`rate_limited` with a time, and the connection goes on; a question that was taken is given again under its id,
    whatever the limit; another user asks on."""

    async def attempt(user: str) -> None:
        async with served.socket(bearer(token(user))) as socket:
            await event(socket)
            for number in range(4):
                await said(socket, type="ask", id=f"q{number}", chat=f"c{number}", text="hello")
            answers: dict[str, dict[str, Any]] = {}
            while len(answers) < 4:
                told = await event(socket)
                if told["type"] in {"accepted", "error"}:
                    answers[told["id"]] = told
            assert [answers[f"q{number}"]["type"] for number in range(4)] == ["accepted"] * 3 + ["error"]
            assert answers["q3"]["code"] == "rate_limited"
            assert answers["q3"]["retry_after_ms"] >= 1000
            await said(socket, type="ask", id="q0", chat="c0", text="hello")
            while (again := await event(socket))["type"] != "accepted":
                pass
            assert again["answer"] == answers["q0"]["answer"]

    await in_one_minute(attempt)
    async with served.socket(bearer(token("other"))) as socket:
        await event(socket)
        await said(socket, type="ask", id="q", chat="c", text="hello")
        assert (await event(socket))["type"] == "accepted"


async def test_too_many_requests(served: Served) -> None:
    """429 with `Retry-After`, for that user alone."""
    async with httpx.AsyncClient(base_url=served.url, trust_env=False, timeout=30) as http:

        async def attempt(user: str) -> None:
            for expected in [200] * 5 + [429]:
                response = await http.get("/v1/chats", headers=bearer(token(user)))
                assert response.status_code == expected
            assert response.json()["code"] == "rate_limited"
            assert int(response.headers["retry-after"]) >= 1

        await in_one_minute(attempt)
        assert (await http.get("/v1/chats", headers=bearer(token("other")))).status_code == 200


async def test_too_many_connections(served: Served) -> None:
    """The third of a user is told when to come back and closed with 4429, the fifth of all with 1013; when one has
    gone, the next is welcome."""
    await nobody_is_connected(served)
    async with AsyncExitStack() as open_ones:
        for user in ("ada", "ada", "bob"):
            socket = await open_ones.enter_async_context(served.socket(bearer(token(user))))
            assert (await event(socket))["type"] == "welcome"
        async with served.socket(bearer(token("ada"))) as refused:
            told = await event(refused)
            assert (told["code"], told["retry_after_ms"]) == ("rate_limited", 5000)
            await refused.wait_closed()
            assert refused.close_code == 4429
        async with served.socket(bearer(token("bob"))) as fourth:
            await event(fourth)
            async with served.socket(bearer(token("eve"))) as refused:
                assert (await event(refused))["code"] == "overloaded"
                await refused.wait_closed()
                assert refused.close_code == 1013
    await nobody_is_connected(served)
    assert await served.first_event("/ws", bearer(token("eve"))) == "welcome"


async def nobody_is_connected(served: Served) -> None:
    """Once the server has heard of every close."""
    async with asyncio.timeout(60):
        while await connections(served):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def connections(served: Served) -> int:
    """Asked by an operator whom no limit knows yet."""
    operator = bearer(token(uuid4().hex, operator=True))
    async with httpx.AsyncClient(base_url=served.url, headers=operator, trust_env=False, timeout=60) as http:
        return int((await http.get("/v1/inflight")).json()["connections"])


async def test_spending_has_a_ceiling(served: Served) -> None:
    """The answer that reaches it is told to its end; the next question is refused until the day is over."""
    async with served.socket(bearer(token("spends"))) as socket:
        await event(socket)
        await said(socket, type="ask", id="q1", chat="c", text="/script tokens=20")
        while (told := await event(socket))["type"] != "end":
            pass
        assert told["state"] == "completed"
        await said(socket, type="ask", id="q2", chat="c", text="/script tokens=20")
        refused = await event(socket)
        assert (refused["code"], refused["id"]) == ("spend_exceeded", "q2")
        assert 0 < refused["retry_after_ms"] <= 86_400_000
