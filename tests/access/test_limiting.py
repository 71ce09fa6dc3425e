"""Quotas, in memory and on a real Redis."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TypeAlias

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from chatserver import settings
from chatserver.access.identity import Identity
from chatserver.access.limiting import Limiting, shared_store
from chatserver.access.quotas import UNLIMITED, Allowance, Exceeded, Places
from chatserver.settings import Access, Quotas, Settings
from chatserver.wiring.access import open_quotas
from tests.access.minutes import within_one_minute
from tests.contracts.redis_server import RedisServer

ADA = Identity("ada", address="10.0.0.1")
BOB = Identity("bob", address="10.0.0.1")
EVE = Identity("eve", address="10.0.0.2")

Made: TypeAlias = Callable[[Allowance], Limiting]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that a busy machine is slow to ask is not away."""
    monkeypatch.setattr("chatserver.access.limiting._STORE_S", 30.0)


@pytest.fixture(params=["memory", "redis"])
async def limiting(request: pytest.FixtureRequest) -> AsyncIterator[Made]:
    """Makes quotas on a store that is empty."""
    async with AsyncExitStack() as stack:
        url = None
        if request.param == "redis":
            server: RedisServer = request.getfixturevalue("redis")
            await server_emptied(server)
            url = server.url

        def made(allowance: Allowance) -> Limiting:
            limiting = Limiting(allowance, connections=10, requests=3, shared=shared_store(url) if url else None)
            stack.push_async_callback(limiting.aclose)
            return limiting

        yield made


async def server_emptied(server: RedisServer) -> None:
    client = Redis(unix_socket_path=str(server.socket))
    await client.flushall()
    await client.aclose()


async def taken(take: Callable[[], Awaitable[None]], most: int = 100) -> int:
    """How often it could be taken before it was refused."""
    count = 0
    refusal: Exceeded | None = None
    while refusal is None and count < most:
        try:
            await take()
            count += 1
        except Exceeded as error:
            refusal = error
    if refusal is None:
        return most
    assert refusal.code == "rate_limited"
    assert refusal.retry_after_s >= 1
    return count


async def test_a_user_is_limited_and_others_are_not(limiting: Made) -> None:
    """Each user has their own; one address has as much as its users' worth."""
    await within_one_minute()
    quotas = limiting(Allowance(questions_per_minute=3, address=2))
    assert await taken(lambda: quotas.question(ADA)) == 3
    assert await taken(lambda: quotas.question(BOB)) == 3
    assert await taken(lambda: quotas.question(Identity("third", address="10.0.0.1"))) == 0, (
        "the address has had its six"
    )
    assert await taken(lambda: quotas.question(EVE)) == 3


async def test_bytes_count_as_what_they_are(limiting: Made) -> None:
    """A day's worth, in pieces of any size; what does not fit takes nothing."""
    quotas = limiting(Allowance(ingest_bytes_per_day=1000))
    await quotas.ingest(ADA, 600)
    with pytest.raises(Exceeded):
        await quotas.ingest(ADA, 600)
    await quotas.ingest(ADA, 300)


async def test_what_answers_cost_is_bounded(limiting: Made) -> None:
    """A day's spending by the prices; the answer that goes over it is told to its end, the next question waits until
    the day is over."""
    quotas = limiting(Allowance(spend_per_day=0.01, input_price=2.0, output_price=10.0))
    await quotas.question(ADA)
    await quotas.spent("ada", 3000, 350)  # 0.0095
    await quotas.question(ADA)
    await quotas.spent("ada", 3000, 350)
    with pytest.raises(Exceeded) as caught:
        await quotas.question(ADA)
    assert caught.value.code == "spend_exceeded"
    assert 0 < caught.value.retry_after_s <= 86_400
    await quotas.question(BOB)


async def test_nodes_count_together(redis: RedisServer) -> None:
    """On Redis a user's questions to two nodes are one count."""
    await within_one_minute()
    await server_emptied(redis)
    nodes = [
        Limiting(Allowance(questions_per_minute=4), connections=1, requests=1, shared=shared_store(redis.url))
        for _ in range(2)
    ]
    assert await taken(lambda: nodes[0].question(ADA), most=2) == 2
    assert await taken(lambda: nodes[1].question(ADA)) == 2
    for node in nodes:
        await node.aclose()


async def test_a_store_that_is_away_shuts_nobody_out() -> None:
    """Each process then counts by itself, and does not try the store again for each question."""
    await within_one_minute()
    quotas = Limiting(
        Allowance(questions_per_minute=2), connections=1, requests=1, shared=shared_store("redis://127.0.0.1:1")
    )
    assert await taken(lambda: quotas.question(ADA)) == 2
    await quotas.aclose()


async def test_places_of_connections() -> None:
    """Of all, of a user and of an address; a place that is given back can be taken again."""
    quotas = Limiting(Allowance(connections=2, address=2), connections=5, requests=1)
    with quotas.connection(ADA):
        with quotas.connection(ADA), pytest.raises(Exceeded, match="Too many"), quotas.connection(ADA):
            pass
        with quotas.connection(ADA), quotas.connection(BOB), quotas.connection(BOB):
            with pytest.raises(Exceeded, match="Too many"), quotas.connection(Identity("third", address="10.0.0.1")):
                pass
            with quotas.connection(EVE), pytest.raises(Exceeded) as full, quotas.connection(EVE):
                pass
            assert full.value.code == "overloaded"


async def test_places_of_requests() -> None:
    """So many under way, whoever sends them."""
    quotas = Limiting(Allowance(), connections=1, requests=1)
    with quotas.place(), pytest.raises(Exceeded) as full, quotas.place():
        pass
    assert (full.value.code, full.value.retry_after_s) == ("overloaded", 1.0)
    with quotas.place():
        pass


def test_places_leave_nothing_behind() -> None:
    """A key that nobody holds takes no memory."""
    places = Places()
    with places.held("a", "b"), places.held("a"):
        assert dict(places.taken) == {"a": 2, "b": 1}
    assert not places.taken


async def test_without_limits_everything_may_be_taken() -> None:
    """For the tests' servers and for one person's."""
    with UNLIMITED.connection(ADA), UNLIMITED.place():
        await UNLIMITED.question(ADA)
        await UNLIMITED.request(ADA)
        await UNLIMITED.ingest(ADA, 10**12)
        await UNLIMITED.spent("ada", 10**9, 10**9)


async def test_one_persons_own_server_has_the_limits_that_were_set(redis: RedisServer) -> None:
    """Without logins everybody is one user, and the defaults are not theirs; with logins they are."""
    await within_one_minute()
    async with open_quotas(Settings()) as quotas:
        assert await taken(lambda: quotas.question(ADA)) == 100
    async with open_quotas(Settings(quotas=Quotas(user_questions=2))) as quotas:
        assert await taken(lambda: quotas.question(ADA)) == 2
    logins = Settings(access=Access(jwks="keys.json"), redis=settings.Redis(url=SecretStr(redis.url)))
    await server_emptied(redis)
    async with open_quotas(logins) as quotas:
        assert await taken(lambda: quotas.question(ADA)) == 30
