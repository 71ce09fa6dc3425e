import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from retrieval.embedded.database import Database
from retrieval.embedded.vectors import SqliteVectorStore
from retrieval.errors import DimensionMismatch

FOREIGN = """
import asyncio, sys
from pathlib import Path
from retrieval.embedded.database import Database
from retrieval.embedded.vectors import SqliteVectorStore

async def main() -> None:
    db = await Database.open(Path(sys.argv[1]))
    store = await SqliteVectorStore.open(db)
    await store.upsert([("b", [1.0, 0.0], {})])
    await store.delete(["a"])
    await db.aclose()

asyncio.run(main())
"""


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[tuple[SqliteVectorStore, SqliteVectorStore]]:
    """Two views of one file, as two processes have them."""
    databases = [await Database.open(tmp_path / "store.db") for _ in range(2)]
    yield await SqliteVectorStore.open(databases[0]), await SqliteVectorStore.open(databases[1])
    for db in databases:
        await db.aclose()


async def find(store: SqliteVectorStore, *vector: float, namespace: str = "") -> list[str]:
    return [hit.passage for hit in await store.search(list(vector), top_k=9, namespace=namespace)]


async def test_another_view_sees_every_change_at_its_next_search(
    stores: tuple[SqliteVectorStore, SqliteVectorStore],
) -> None:
    """Additions, replacements and deletions of one are found by the other, also after all had been deleted."""
    ours, theirs = stores
    assert await find(theirs, 1, 0) == []
    await ours.upsert([("a", [1.0, 0.0], {}), ("b", [0.0, 1.0], {})])
    assert await find(theirs, 1, 0) == ["a", "b"]
    await theirs.upsert([("b", [2.0, 0.0], {}), ("c", [1.0, 0.1], {})])
    await theirs.delete(["a"])
    assert await find(ours, 1, 0) == ["b", "c"]
    await ours.delete(["b", "c"])
    await ours.upsert([("a", [1.0, 0.0, 0.0], {})])
    assert await find(theirs, 1, 0, 0) == ["a"]


async def test_each_namespace_has_the_dimension_of_its_vectors(
    stores: tuple[SqliteVectorStore, SqliteVectorStore],
) -> None:
    """Two namespaces may differ, and one that was emptied takes another dimension; an empty one is asked with any."""
    ours, _ = stores
    assert await find(ours, 1) == []
    await ours.upsert([("a", [1.0, 0.0], {})], namespace="x")
    await ours.upsert([("a", [1.0, 0.0, 0.0], {})], namespace="y")
    with pytest.raises(DimensionMismatch):
        await find(ours, 1, 0, 0, namespace="x")
    assert await find(ours, 1, 0, 0, namespace="y") == ["a"]
    await ours.delete(["a"], namespace="x")
    await ours.upsert([("c", [1.0, 0.0, 0.0], {})], namespace="x")
    assert await find(ours, 1, 0, 0, namespace="x") == ["c"]


async def test_what_another_process_ingested_is_found(tmp_path: Path) -> None:
    """A real second process writes to the file that this one holds open."""
    path = tmp_path / "store.db"
    db = await Database.open(path)
    store = await SqliteVectorStore.open(db)
    await store.upsert([("a", [1.0, 0.0], {})])
    assert await find(store, 1, 0) == ["a"]
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", FOREIGN, str(path))
    assert await process.wait() == 0
    assert await find(store, 1, 0) == ["b"]
    await db.aclose()


async def test_names_made_up_by_callers_take_no_memory(stores: tuple[SqliteVectorStore, SqliteVectorStore]) -> None:
    """Searching a namespace that never held a vector leaves nothing behind."""
    store, _ = stores
    for i in range(50):
        assert await find(store, 1, 0, namespace=f"made-up-{i}") == []
    assert not store._replicas


async def test_a_vector_takes_two_bytes_for_each_dimension_on_disk(tmp_path: Path) -> None:
    """float16 is what is stored, and a deleted vector leaves none of it."""
    db = await Database.open(tmp_path / "store.db")
    store = await SqliteVectorStore.open(db)
    await store.upsert([("a", [0.5] * 256, {"secret": "x"}), ("b", [0.5] * 256, {})])
    await store.delete(["a"])
    rows = await db.read(
        lambda c: c.execute("SELECT length(vector), metadata FROM vectors ORDER BY passage").fetchall()
    )
    assert rows == [(None, "{}"), (512, "{}")]
    await db.aclose()
