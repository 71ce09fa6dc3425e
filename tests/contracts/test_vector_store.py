"""What every `VectorStore` must do. One on Pinecone speaks with the real SDK to a server of the tests' own."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from retrieval.embedded.database import Database
from retrieval.embedded.vectors import SqliteVectorStore
from retrieval.errors import DimensionMismatch, InvalidFilter, Permanent
from retrieval.pinecone import PineconeAddress, PineconeVectors
from retrieval.ports import VectorStore
from retrieval.types import Metadata
from tests.contracts.pinecone_server import KEY, pinecone_server

DIMENSION = 16
PATIENT_S = 60.0
"""A client for each of dozens of calls at once is work for a busy machine; none of them waits for nothing."""


@asynccontextmanager
async def on_pinecone(mode: Literal["shared", "isolated"]) -> AsyncIterator[VectorStore]:
    async with pinecone_server(dimension=DIMENSION) as server:
        store = PineconeVectors(PineconeAddress(KEY, host=server.url), DIMENSION, mode=mode, timeout_s=PATIENT_S)
        yield store
        await store.aclose()


@pytest.fixture(params=["sqlite", "pinecone-shared", "pinecone-isolated"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[VectorStore]:
    match request.param:
        case "sqlite":
            db = await Database.open(tmp_path / "store.db")
            yield await SqliteVectorStore.open(db)
            await db.aclose()
        case "pinecone-shared":
            async with on_pinecone("shared") as store:
                yield store
        case "pinecone-isolated":
            async with on_pinecone("isolated") as store:
                yield store


def padded(vector: Sequence[float]) -> list[float]:
    """With zeros to the dimension of the store; no cosine changes."""
    return [*map(float, vector), *[0.0] * (DIMENSION - len(vector))]


def item(id: str, *vector: float, **metadata: str | int) -> tuple[str, list[float], Metadata]:
    return id, padded(vector), metadata


async def find(store: VectorStore, *vector: float, top_k: int = 10, namespace: str = "") -> list[str]:
    hits = await store.search(padded(vector), top_k=top_k, namespace=namespace)
    return [hit.passage for hit in hits]


async def test_an_empty_store_finds_nothing(store: VectorStore) -> None:
    """No vectors, no hits, no error, whatever the namespace."""
    assert await find(store, 1.0, 0.0) == []
    assert await find(store, 1.0, namespace="nowhere") == []


async def test_hits_come_by_cosine(store: VectorStore) -> None:
    """Best first, whatever the length of the vectors; the score is the cosine."""
    await store.upsert([item("far", -1, 0), item("near", 5, 1), item("same", 0.1, 0)])
    hits = await store.search(padded([2.0, 0.0]), top_k=10)
    assert [hit.passage for hit in hits] == ["same", "near", "far"]
    assert [hit.score for hit in hits] == pytest.approx([1.0, 5 / 26**0.5, -1.0], abs=1e-3)
    assert all(type(hit.score) is float for hit in hits)


async def test_ties_come_by_id(store: VectorStore) -> None:
    """Equal vectors are ordered by id, also across the cut."""
    ids = [f"p{i:03}" for i in range(100)]
    await store.upsert([item(id, 1, 2, 3) for id in reversed(ids)])
    assert await find(store, 1, 2, 2, top_k=7) == ids[:7]


async def test_upsert_replaces_by_id(store: VectorStore) -> None:
    """The old vector and its metadata are gone."""
    await store.upsert([item("a", 1, 0, unit=1), item("b", 0, 1)])
    await store.upsert([item("a", 0, 1, unit=2)])
    assert await find(store, 0, 1) == ["a", "b"]
    assert await store.search(padded([1.0, 0.0]), top_k=5, filter={"unit": 1}) == []


async def test_delete_removes_and_ignores_unknown_ids(store: VectorStore) -> None:
    """What is deleted is not found; ids that are not there are no error."""
    await store.upsert([item("a", 1, 0), item("b", 1, 0), item("c", 1, 0)])
    await store.delete(["a", "nowhere"])
    assert await find(store, 1, 0) == ["b", "c"]
    await store.delete(["a", "b", "c"])
    assert await find(store, 1, 0) == []
    await store.upsert([item("a", 1, 0)])
    assert await find(store, 1, 0) == ["a"]


async def test_top_k_bounds_the_hits(store: VectorStore) -> None:
    """At most `top_k`; none for zero."""
    await store.upsert([item("a", 1, 0), item("b", 1, 1)])
    assert await find(store, 1, 0, top_k=1) == ["a"]
    assert await find(store, 1, 0, top_k=0) == []


async def test_filters_are_applied_before_the_cut(store: VectorStore) -> None:
    """The best of those that match, even when better ones do not."""
    await store.upsert([item("a", 1, 0, unit=1), item("b", 1, 1, unit=2), item("c", 0, 1, unit=2)])
    hits = await store.search(padded([1.0, 0.0]), top_k=1, filter={"unit": 2})
    assert [hit.passage for hit in hits] == ["b"]
    assert await store.search(padded([1.0, 0.0]), top_k=1, filter={"unit": 3}) == []
    with pytest.raises(InvalidFilter):
        await store.search(padded([1.0, 0.0]), top_k=1, filter={"unit": {}})


async def test_namespaces_are_apart(store: VectorStore) -> None:
    """The same id in two namespaces is two vectors; what is deleted in one, or in one that is not there, is there in
    the other."""
    await store.upsert([item("a", 1, 0)], namespace="x")
    await store.upsert([item("a", 1, 0), item("b", 1, 1)], namespace="y")
    await store.delete(["a"], namespace="y")
    await store.delete(["a"], namespace="nowhere")
    assert await find(store, 1, 0, namespace="x") == ["a"]
    assert await find(store, 1, 0, namespace="y") == ["b"]
    assert await find(store, 1, 0) == []


async def test_any_text_is_an_id_and_a_namespace(store: VectorStore) -> None:
    """What is found has the very id that it was given, in a namespace of any name, and can be deleted by it."""
    names = ["Störung Ω#1", "100 % #2", "%C3%B6", "ö", "__default__", "%sha256:x", "é" * 600, "a\tb/c?d=e", "x" * 513]
    for name in names:
        await store.upsert([item(each, 1, 0) for each in names], namespace=name)
        assert sorted(await find(store, 1, 0, namespace=name)) == sorted(names)
        await store.delete(names[1:], namespace=name)
        assert await find(store, 1, 0, namespace=name) == names[:1]
    assert await find(store, 1, 0) == []


async def test_a_vector_of_another_dimension_is_refused(store: VectorStore) -> None:
    """On upsert, of all that comes with it, and on search."""
    await store.upsert([item("a", 1, 0)])
    with pytest.raises(DimensionMismatch):
        await store.upsert([("b", [1.0, 0.0, 0.0], {})])
    with pytest.raises(DimensionMismatch):
        await store.upsert([item("b", 1, 0), ("c", [1.0], {})])
    with pytest.raises(DimensionMismatch):
        await store.search([1.0, 0.0, 0.0], top_k=1)
    assert await find(store, 1, 0) == ["a"]


@pytest.mark.parametrize("vector", [[], padded([0.0]), padded([float("nan"), 1.0]), padded([float("inf"), 1.0])])
async def test_a_bad_vector_is_refused_whole(store: VectorStore, vector: list[float]) -> None:
    """One bad vector fails its whole call: nothing of it is stored."""
    with pytest.raises(Permanent):
        await store.upsert([item("a", 1, 0), ("b", vector, {})])
    with pytest.raises(Permanent):
        await store.search(vector, top_k=1)
    assert await find(store, 1, 0) == []


async def test_search_is_exact(store: VectorStore) -> None:
    """Among thousands of vectors, put in several calls, the hits are those of a full sort."""
    vectors = np.random.default_rng(7).normal(size=(3_000, 16))
    for start in range(0, 3_000, 700):
        rows = range(start, min(start + 700, 3_000))
        await store.upsert([(f"p{i}", vectors[i].tolist(), {}) for i in rows])
    query = vectors[0] + vectors[1]
    cosines = vectors @ query / np.linalg.norm(vectors, axis=1) / np.linalg.norm(query)
    best = np.argsort(-cosines)[:20]
    hits = await store.search(query.tolist(), top_k=20)
    assert [hit.score for hit in hits] == pytest.approx(cosines[best], abs=1e-3)
    assert len({hit.passage for hit in hits} & {f"p{i}" for i in best}) >= 19  # float16 may swap the last


async def test_concurrent_upserts_and_searches_agree_in_the_end(store: VectorStore) -> None:
    """Searches during writes see whole calls only, and afterwards everything."""

    async def put(i: int) -> None:
        await store.upsert([item(f"a{i}", 1, 0), item(f"b{i}", 1, 0)])

    async def look() -> None:
        found = await find(store, 1, 0, top_k=100)
        assert len(found) % 2 == 0

    await asyncio.gather(*(work for i in range(20) for work in (put(i), look())))
    assert len(await find(store, 1, 0, top_k=100)) == 40


async def test_stored_vectors_can_be_fetched(store: VectorStore) -> None:
    """By passage, whatever its name, in the namespace; unknown and deleted ones are left out."""
    odd = "é" * 300
    await store.upsert([item("a", 3, 4), item(odd, 0, 1), item("gone", 1)])
    await store.upsert([item("a", 1, 0)], namespace="other")
    await store.delete(["gone"])
    found = await store.fetch(["a", odd, "gone", "unknown"])
    assert sorted(found) == sorted(["a", odd])
    for passage, vector in {"a": padded([0.6, 0.8]), odd: padded([0, 1])}.items():
        stored = np.array(found[passage])
        assert stored / np.linalg.norm(stored) == pytest.approx(vector, abs=1e-3)
        assert all(type(value) is float for value in found[passage])
    assert await store.fetch([]) == {}


async def test_hundreds_of_vectors_can_be_fetched(store: VectorStore) -> None:
    """More than go into one address."""
    names = [f"a passage with a rather long name, number {n}" for n in range(300)]
    await store.upsert([item(name, 1, n) for n, name in enumerate(names)])
    assert sorted(await store.fetch(names)) == sorted(names)
