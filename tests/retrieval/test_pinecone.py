"""The adapter for Pinecone: the real langchain-pinecone and SDK, over HTTP, against a server of the tests' own with
faults on demand (`tests.contracts.pinecone_server` says what it is)."""

import asyncio
import gc
import json
import logging
import warnings
from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain_pinecone import PineconeVectorStore

from retrieval.errors import EmbedderChanged, Permanent, Temporary
from retrieval.pinecone import PineconeAddress, PineconeVectors
from retrieval.pinecone_rows import PASSAGE
from retrieval.types import Hit
from tests.contracts.pinecone_index import MAX_BYTES
from tests.contracts.pinecone_server import KEY, PineconeServer, pinecone_server
from tests.eventually import eventually
from tests.retrieval.pinecone_stores import DIMENSION, FOUND, GENEROUS_S, VECTOR, ask, opened


@pytest.fixture
async def server() -> AsyncIterator[PineconeServer]:
    async with pinecone_server(dimension=DIMENSION) as server:
        yield server


async def test_the_cause_session_is_closed_with_a_bare_store(server: PineconeServer) -> None:
    """langchain-pinecone's own store, not entered: a search that ends closes the session under the others. It is why
    ours enters it once. Should this fail one day, the cause is gone, and our remedy may go too."""
    bare = PineconeVectorStore(host=server.url, pinecone_api_key=KEY, embedding=_never())

    async def search() -> None:
        await bare.asimilarity_search_by_vector_with_score(VECTOR, k=3)

    async def one_ends_before_the_other() -> tuple[asyncio.Task[None], asyncio.Task[None]]:
        asked, server.held = server.asked("/query"), asyncio.Event()
        first = asyncio.create_task(search())
        await eventually(lambda: server.asked("/query") == asked + 1, within_s=GENEROUS_S)
        held, server.held = server.held, asyncio.Event()
        second = asyncio.create_task(search())
        await eventually(lambda: server.asked("/query") == asked + 2, within_s=GENEROUS_S)
        held.set()
        await first
        return first, second

    _, second = await one_ends_before_the_other()
    with pytest.raises(RuntimeError, match="Session is closed"):
        await second
    async with bare:
        _, second = await one_ends_before_the_other()
        assert server.held is not None
        server.held.set()
        await second
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # and it loses sessions, which nobody closes then
        gc.collect()


@pytest.mark.parametrize("at_once", [10, 30, 100])
async def test_a_shared_store_answers_all_over_few_connections(server: PineconeServer, at_once: int) -> None:
    """However many searches at once, none fails, and the connections are reused from one round to the next."""
    server.latency_s = 0.01
    async with opened(server) as store:
        for _ in range(3):
            assert await asyncio.gather(*(ask(store) for _ in range(at_once))) == [FOUND] * at_once
    assert server.connections <= at_once + 2


async def test_an_isolated_store_has_a_client_for_each_call(server: PineconeServer) -> None:
    """No search fails, and each has a connection of its own."""
    async with opened(server, mode="isolated") as store:
        before = server.connections
        assert await asyncio.gather(*(ask(store) for _ in range(20))) == [FOUND] * 20
        assert server.connections == before + 20


async def test_the_store_is_entered_once(server: PineconeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred first searches at once enter one store, and look at the index once."""
    entered: list[object] = []
    enter = PineconeVectorStore.__aenter__

    async def counted(self: PineconeVectorStore) -> PineconeVectorStore:
        entered.append(self)
        return await enter(self)

    monkeypatch.setattr(PineconeVectorStore, "__aenter__", counted)
    store = PineconeVectors(PineconeAddress(KEY, host=server.url), DIMENSION, concurrency=100, timeout_s=GENEROUS_S)
    await asyncio.gather(*(ask(store) for _ in range(100)))
    await store.aclose()
    assert len(entered) == 2  # the look at the index, then the one that is kept
    assert server.asked("/describe_index_stats") == 1


@pytest.mark.parametrize("at_once", [1, 50])
async def test_a_session_found_closed_is_replaced_once(
    server: PineconeServer, caplog: pytest.LogCaptureFixture, at_once: int
) -> None:
    """Whoever closed it: the searches that find it so are answered, and one of them alone opened another."""
    async with opened(server) as store:
        for _ in range(2):
            await _close_session(store)
            caplog.clear()
            assert await asyncio.gather(*(ask(store) for _ in range(at_once))) == [FOUND] * at_once
            assert [record.levelno for record in caplog.records if record.name == "retrieval.pinecone_sessions"] == [
                logging.WARNING
            ]


async def test_a_session_closed_under_calls_in_flight_is_replaced(server: PineconeServer) -> None:
    """Calls whose connections it cuts are made again over the new one."""
    async with opened(server) as store:
        server.latency_s = 0.2
        searches = [asyncio.create_task(ask(store)) for _ in range(20)]
        asked = server.asked("/query")
        await eventually(lambda: server.asked("/query") == asked + 20, within_s=GENEROUS_S)
        await _close_session(store)
        assert await asyncio.gather(*searches) == [FOUND] * 20


async def test_no_more_searches_at_once_than_allowed(server: PineconeServer) -> None:
    """The others wait for their turn, and all are answered."""
    server.latency_s = 0.01
    async with opened(server, concurrency=3) as store:
        server.most_at_once = 0
        assert await asyncio.gather(*(ask(store) for _ in range(30))) == [FOUND] * 30
    assert server.most_at_once == 3


async def test_a_missing_index_is_made(server: PineconeServer) -> None:
    """By several processes at once, one makes it; they wait until it is ready, and it fits."""
    server.ready_after = 3
    address = PineconeAddress(KEY, "handbook", controller=server.url, create=("gcp", "europe-west4"))
    stores = [PineconeVectors(address, DIMENSION, timeout_s=GENEROUS_S) for _ in range(3)]
    assert await asyncio.gather(*(store.open() for store in stores)) == [0, 0, 0]
    made = [json.loads(r.body) for r in server.requests if (r.method, r.path) == ("POST", "/indexes")]
    assert made[0]["dimension"] == DIMENSION
    assert made[0]["metric"] == "cosine"
    assert made[0]["spec"]["serverless"] == {"cloud": "gcp", "region": "europe-west4"}
    await stores[0].upsert([("a", VECTOR, {})])
    assert await ask(stores[1]) == FOUND
    for store in stores:
        await store.aclose()


async def test_closing_waits_for_calls_in_flight(server: PineconeServer) -> None:
    """A call that runs is answered, one that comes later is refused."""
    async with opened(server) as store:
        server.latency_s = 0.2
        searching = asyncio.create_task(ask(store))
        asked = server.asked("/query")
        await eventually(lambda: server.asked("/query") > asked, within_s=GENEROUS_S)
        await store.aclose()
        assert searching.done()
        assert await searching == FOUND
        with pytest.raises(Temporary):
            await ask(store)


async def test_a_large_upsert_goes_in_requests_that_pinecone_takes() -> None:
    """Thousands of wide vectors with much metadata are stored, each request below the limits."""
    async with pinecone_server(dimension=256) as server:
        store = PineconeVectors(PineconeAddress(KEY, host=server.url), 256, timeout_s=GENEROUS_S)
        wide = [0.1234567890123456] * 256
        await store.upsert([(f"p{n}", wide, {"text": "é" * 300}) for n in range(1_200)])
        sizes = [len(request.body) for request in server.requests if request.path == "/vectors/upsert"]
        assert await store.open() == 1_200
        assert max(sizes) <= MAX_BYTES
        await store.delete([f"p{n}" for n in range(1_100)])
        assert await store.open() == 100
        await store.aclose()


async def test_what_is_not_metadata_is_refused(server: PineconeServer) -> None:
    """Before anything is sent."""
    async with opened(server) as store:
        asked = server.asked("/vectors/upsert")
        bad: list[dict[str, Any]] = [{"x": None}, {"x": {"y": 1}}, {"x": float("nan")}, {PASSAGE: "x"}]
        for metadata in bad:
            with pytest.raises(Permanent):
                await store.upsert([("b", VECTOR, {}), ("c", VECTOR, metadata)])
        assert server.asked("/vectors/upsert") == asked


def _never() -> Any:
    """An embedding that is not asked."""
    return object()


async def _close_session(store: PineconeVectors) -> None:
    """What somebody else might do to the shared session."""
    shared = store._sessions._store  # type: ignore[union-attr]
    assert shared is not None
    await (await shared.async_index).close()


async def test_an_index_is_labelled_by_its_embedder(server: PineconeServer) -> None:
    """The first vectors bring the label; another embedder of the same dimension is refused by every call then, until
    the index is empty again. The label is in no search and in no count."""
    first, second = (
        PineconeVectors(PineconeAddress(KEY, host=server.url), DIMENSION, embedder=name, timeout_s=GENEROUS_S)
        for name in ("one", "two")
    )
    assert await first.open() == 0
    assert server.indexes["passages"].namespaces == {}, "looking changes nothing"
    await first.upsert([("a", VECTOR, {})], namespace="acme")
    assert await first.open() == 1
    assert await first.counts(["", "acme"]) == {"": 0, "acme": 1}
    for call in (second.open(), ask(second), second.upsert([("b", VECTOR, {})])):
        with pytest.raises(EmbedderChanged, match=r"are of one \(4 numbers\), the configured embedder is two"):
            await call
    await first.delete(["a"], namespace="acme")
    await second.upsert([("b", VECTOR, {})])
    assert await ask(second) == [Hit("b", 1.0)]
    again = PineconeVectors(PineconeAddress(KEY, host=server.url), DIMENSION, embedder="one", timeout_s=GENEROUS_S)
    with pytest.raises(EmbedderChanged):
        await again.open()
    for store in (first, second, again):
        await store.aclose()


async def test_an_index_without_a_label_is_taken_as_it_is(server: PineconeServer) -> None:
    """Vectors that others have put there are nobody's: no embedder is refused, and none claims them."""
    async with opened(server):
        pass
    store = PineconeVectors(PineconeAddress(KEY, host=server.url), DIMENSION, embedder="one", timeout_s=GENEROUS_S)
    await store.upsert([("b", VECTOR, {})])
    assert {hit.passage for hit in await ask(store)} == {"a", "b"}
    assert set(server.indexes["passages"].namespaces) == {""}
    await store.aclose()
