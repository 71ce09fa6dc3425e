"""A Pinecone that is late, refuses, breaks off or goes away: what the adapter makes of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from retrieval.errors import DimensionMismatch, IndexMissing, KeyRejected, Permanent, Temporary
from retrieval.pinecone import PineconeAddress, PineconeVectors
from retrieval.types import Hit
from tests.contracts.pinecone_index import Index
from tests.contracts.pinecone_server import KEY, Answer, PineconeServer, pinecone_server
from tests.eventually import eventually
from tests.retrieval.pinecone_stores import DIMENSION, FOUND, GENEROUS_S, Mode, ask, opened


@pytest.fixture
async def server() -> AsyncIterator[PineconeServer]:
    async with pinecone_server(dimension=DIMENSION) as server:
        yield server


@pytest.mark.parametrize("mode", ["shared", "isolated"])
async def test_a_late_answer_is_temporary(server: PineconeServer, mode: Mode) -> None:
    """The call ends at its deadline, waiting for a turn included; the next ones are answered."""
    async with opened(server, mode=mode, concurrency=1, timeout_s=3.0) as store:
        server.latency_s = 60.0
        loop = asyncio.get_running_loop()
        began = loop.time()
        ended = await asyncio.gather(*(ask(store) for _ in range(5)), return_exceptions=True)
        assert all(isinstance(each, Temporary) for each in ended)
        assert loop.time() - began < 30.0
        server.latency_s = 0.0
        assert await _until_answered(store) == FOUND


async def test_a_cancelled_search_is_cancelled(server: PineconeServer) -> None:
    """Cancellation passes, gives the turn back and leaves the session open for the others."""
    async with opened(server, concurrency=1) as store:
        server.latency_s = 60.0
        searching = asyncio.create_task(ask(store))
        asked = server.asked("/query")
        await eventually(lambda: server.asked("/query") > asked, within_s=GENEROUS_S)
        searching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await searching
        server.latency_s = 0.0
        assert await ask(store) == FOUND


def in_a_while() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)


@pytest.mark.parametrize(
    ("header", "low", "high"), [(lambda: "7", 7.0, 7.0), (in_a_while, 50.0, 100.0), (lambda: "soon", None, None)]
)
async def test_429_says_when_to_come_back(
    server: PineconeServer, header: Callable[[], str], low: float | None, high: float | None
) -> None:
    """Too many requests is temporary, after the seconds or at the date of Retry-After; it is not tried again below."""
    async with opened(server) as store:
        server.faults.append(Answer(429, b'{"message": "slow down"}', (("Retry-After", header()),)))
        asked = server.asked("/query")
        with pytest.raises(Temporary) as raised:
            await ask(store)
        assert server.asked("/query") == asked + 1
        after = raised.value.retry_after_s
        assert after == low if low is None or high is None else after is not None and low <= after <= high
        assert await ask(store) == FOUND


@pytest.mark.parametrize("status", [500, 503])
async def test_5xx_is_temporary(server: PineconeServer, status: int) -> None:
    """It is not tried again here: that is the guard's affair (`tests/guards/test_retried_once.py`)."""
    async with opened(server) as store:
        server.faults.append(Answer(status))
        asked = server.asked("/query")
        with pytest.raises(Temporary):
            await ask(store)
        assert server.asked("/query") == asked + 1
        assert await ask(store) == FOUND


@pytest.mark.parametrize(
    "answer", [b"not json", b"[]", b"{}", b"{]", b'{"matches": [{}]}', b'{"matches": [{"id": "a", "score": "x"}]}']
)
async def test_an_answer_that_cannot_be_read_is_temporary(server: PineconeServer, answer: bytes) -> None:
    """Whatever a proxy makes of it; the next one is read."""
    async with opened(server) as store:
        server.faults.append(Answer(200, answer, (("Content-Type", "application/json"),)))
        with pytest.raises(Temporary):
            await ask(store)
        assert await ask(store) == FOUND


async def test_an_answer_cut_short_is_temporary(server: PineconeServer) -> None:
    """Half an answer is none."""
    async with opened(server) as store:
        server.faults.append("cut")
        with pytest.raises(Temporary):
            await ask(store)
        assert await ask(store) == FOUND


async def test_closed_idle_connections_cost_nothing(server: PineconeServer) -> None:
    """A server that closes what is idle, at once or all together, does not fail a search."""
    async with opened(server) as store:
        for _ in range(3):
            assert await asyncio.gather(*(ask(store) for _ in range(10))) == [FOUND] * 10
            server.drop_connections()
        server.idle_s = 0.01
        for _ in range(10):
            assert await ask(store) == FOUND
            await asyncio.sleep(0.01)  # about when the server closes: either may be first


async def test_a_restarted_server_is_found_again(server: PineconeServer) -> None:
    """While it is down a search is temporary; afterwards the same store answers."""
    async with opened(server) as store:
        await server.stop()
        with pytest.raises(Temporary, match="can't be reached"):
            await ask(store)
        await server.start()
        assert await ask(store) == FOUND


@pytest.mark.parametrize("mode", ["shared", "isolated"])
async def test_a_server_that_comes_later_is_found(server: PineconeServer, mode: Mode) -> None:
    """A store that could not be opened is opened by the first call that can."""
    await server.stop()
    store = PineconeVectors(PineconeAddress(KEY, host=server.url), DIMENSION, mode=mode, timeout_s=GENEROUS_S)
    with pytest.raises(Temporary):
        await store.open()
    await server.start()
    assert await ask(store) == []
    await store.aclose()


async def test_what_is_not_accepted_is_permanent(server: PineconeServer) -> None:
    """A wrong key, an index of another dimension or metric, and one that is not there each have their error."""
    server.indexes |= {"narrow": Index("narrow", 3), "far": Index("far", DIMENSION, "euclidean")}
    for address, error in (
        (PineconeAddress("pc-wrong", host=f"{server.url}/at/passages"), KeyRejected),
        (PineconeAddress("pc-wrong", "passages", controller=server.url), KeyRejected),
        (PineconeAddress(KEY, "nowhere", controller=server.url), IndexMissing),
        (PineconeAddress(KEY, host=f"{server.url}/at/nowhere"), IndexMissing),
        (PineconeAddress(KEY, "narrow", controller=server.url), DimensionMismatch),
        (PineconeAddress(KEY, "far", controller=server.url), Permanent),
    ):
        store = PineconeVectors(address, DIMENSION, timeout_s=GENEROUS_S)
        for attempt in (store.open(), ask(store)):
            with pytest.raises(error) as raised:
                await attempt
            assert type(raised.value) is error
            assert "pc-wrong" not in str(raised.value)
        await store.aclose()


async def _until_answered(store: PineconeVectors) -> list[Hit]:
    """On a busy machine a call may be late for its own reasons."""
    while True:
        try:
            return await ask(store)
        except Temporary:
            await asyncio.sleep(0.1)
