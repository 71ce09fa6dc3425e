"""What an upstream sees of a failure that lasts: as many calls as its guard makes, for no SDK tries again by itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from chatserver.guards.graph import GuardedGraphStore
from chatserver.guards.guard import Guard
from chatserver.guards.model import GuardedModel
from chatserver.guards.retrieval import GuardedEmbedder, GuardedVectorStore, Limits
from chatserver.guards.watch import Counts
from chatserver.models.openai_compatible import OpenAICompatibleEmbedder, OpenAICompatibleModel
from chatserver.models.port import Context, ModelError, ModelRequest
from graph.neo4j.database import Neo4jDatabase
from graph.neo4j.store import Neo4jGraphStore
from retrieval.errors import Temporary
from retrieval.pinecone import PineconeAddress, PineconeVectors
from tests.contracts.pinecone_server import KEY, Answer, Fault, PineconeServer, pinecone_server
from tests.guards.conftest import QUICK
from tests.models.openai_server import openai_server, refusing

VECTOR = [1.0, 0.0]
PATIENT = Limits(read_s=30, write_s=30)


@asynccontextmanager
async def pinecone(guard: Guard, *faults: Fault) -> AsyncIterator[tuple[PineconeServer, GuardedVectorStore]]:
    async with pinecone_server(dimension=len(VECTOR)) as server:
        store = PineconeVectors(PineconeAddress(KEY, host=server.url), len(VECTOR))
        await store.open()
        server.faults.extend(faults)
        try:
            yield server, GuardedVectorStore(store, guard, PATIENT)
        finally:
            await store.aclose()


@asynccontextmanager
async def hanging_up() -> AsyncIterator[tuple[int, list[str]]]:
    """A port where every connection is closed at once, and a list of those that there were."""
    seen: list[str] = []

    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append("connection")
        writer.transport.abort()

    server = await asyncio.start_server(close, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], seen


@pytest.mark.parametrize("fault", ["cut", Answer(500), Answer(503)], ids=["cut", "500", "503"])
async def test_pinecone_is_asked_three_times(guard: Guard, counts: Counts, fault: Fault) -> None:
    """A 5xx or half an answer: three searches on the wire, two of them retries of the guard's."""
    async with pinecone(guard, *[fault] * 9) as (server, store):
        with pytest.raises(Temporary):
            await store.search(VECTOR, top_k=1)
        assert (server.asked("/query"), counts.retries["upstream"]) == (3, 2)


async def test_a_connection_that_ends_is_no_attempt(guard: Guard, counts: Counts) -> None:
    """A request whose connection ends without an answer goes over another at once: that is HTTP's own rule for kept
    connections. One that ends as well is an attempt of the guard's, which makes three."""
    async with pinecone(guard, "reset") as (server, store):
        assert await store.search(VECTOR, top_k=1) == []
        assert (server.asked("/query"), counts.retries["upstream"]) == (2, 0)
        server.faults.extend(["reset"] * 9)
        with pytest.raises(Temporary):
            await store.search(VECTOR, top_k=1)
        assert (server.asked("/query"), counts.retries["upstream"]) == (2 + 6, 2)


async def test_a_503_is_not_seen(guard: Guard) -> None:
    """The guard asks again, and whoever searched has the answer."""
    async with pinecone(guard, Answer(503)) as (server, store):
        assert await store.search(VECTOR, top_k=1) == []
        assert server.asked("/query") == 2


@pytest.mark.parametrize("plane", ["data", "control"])
async def test_a_pinecone_that_hangs_up_is_reached_for_three_times(guard: Guard, counts: Counts, plane: str) -> None:
    """At the index's host, or at the control plane's: three connections, or six for what HTTP sends once more."""
    async with hanging_up() as (port, seen):
        url = f"http://127.0.0.1:{port}"
        host, controller = (url, None) if plane == "data" else (None, url)
        store = PineconeVectors(PineconeAddress(KEY, "passages", host, controller=controller), len(VECTOR))
        with pytest.raises(Temporary, match="can't be reached"):
            await GuardedVectorStore(store, guard, PATIENT).search(VECTOR, top_k=1)
        assert counts.retries["upstream"] == 2
        assert len(seen) in {3, 6}
        await store.aclose()


@pytest.mark.parametrize("work", ["read", "write"])
async def test_neo4j_is_reached_for_three_times(guard: Guard, counts: Counts, work: str) -> None:
    """A server that hangs up, for reads and for transactions: three connections, two of them the guard's retries."""
    async with hanging_up() as (port, seen):
        database = Neo4jDatabase(f"bolt://127.0.0.1:{port}", password="x")
        store = GuardedGraphStore(Neo4jGraphStore(database), guard, PATIENT)
        with pytest.raises(Temporary):
            await (store.entities(["pump"]) if work == "read" else store.unlink("pump.md"))
        assert (len(seen), counts.retries["upstream"]) == (3, 2)
        await database.aclose()


async def test_the_model_and_the_embeddings_are_asked_three_times(guard: Guard) -> None:
    """A server that answers 503 for ever: three completions, three calls for vectors."""
    request = ModelRequest("question", "en", Context(), ())
    async with openai_server() as server:
        model = OpenAICompatibleModel("m", base_url=server.url)
        server.answer = server.refusing = refusing(503)
        with pytest.raises(ModelError):
            async for _ in GuardedModel(model, guard).stream(request):
                pass
        assert len(server.asked) == 3
        embedder = OpenAICompatibleEmbedder("e", 8, base_url=server.url)
        guarded = GuardedEmbedder(embedder, Guard("embeddings", Counts(), patience=QUICK), PATIENT)
        with pytest.raises(Temporary):
            await guarded.embed(["a"])
        assert len(server.asked) == 6
        await model.aclose()
        await embedder.aclose()
