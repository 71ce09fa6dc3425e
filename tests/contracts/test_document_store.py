"""What every `DocumentStore` must do."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from retrieval.embedded.database import Database
from retrieval.embedded.documents import SqliteDocumentStore
from retrieval.errors import InvalidText, Permanent
from retrieval.ports import DocumentStore
from retrieval.types import Document, Passage


@pytest.fixture(params=["sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[DocumentStore]:
    db = await Database.open(tmp_path / "store.db")
    yield await SqliteDocumentStore.open(db)
    await db.aclose()


def document(id: str = "d", text: str = "one two") -> Document:
    return Document(id, f"Title of {id}", text, {"unit": 4, "tags": ("a", "b"), "ok": True, "x": 0.5, "lang": "en"})


def parts(document: Document, count: int) -> list[Passage]:
    return [
        Passage(f"{document.id}#{i}", document.id, document.title, f"text {i}", i, i, i + 5, document.metadata)
        for i in range(count)
    ]


async def test_passages_come_back_as_they_were_put(store: DocumentStore) -> None:
    """Text, offsets and metadata survive, in the order asked for, unknown ids left out."""
    one = document()
    first, second, third = parts(one, 3)
    await store.put(one, [first, second, third], "h1")
    assert await store.passages(["d#2", "nowhere", "d#0"]) == [third, first]
    assert await store.count() == {"documents": 1, "passages": 3}


async def test_the_hash_tells_whether_a_document_is_known(store: DocumentStore) -> None:
    """None before the first put, then the hash of the last; unknown documents are left out."""
    assert await store.content_hashes(["d"]) == {}
    await store.put(document(), parts(document(), 1), "h1")
    await store.put(document(), parts(document(), 1), "h2")
    assert await store.content_hashes(["d", "nowhere"]) == {"d": "h2"}


async def test_putting_again_replaces_every_passage(store: DocumentStore) -> None:
    """Passages that the new version does not have are gone."""
    await store.put(document(), parts(document(), 5), "h1")
    await store.put(document(), parts(document(), 2), "h2")
    assert [p.id for p in await store.passages([f"d#{i}" for i in range(5)])] == ["d#0", "d#1"]
    assert await store.count() == {"documents": 1, "passages": 2}


async def test_delete_names_the_passages_that_went(store: DocumentStore) -> None:
    """Their vectors are the caller's to delete; an unknown document has none."""
    await store.put(document(), parts(document(), 2), "h1")
    assert list(await store.delete("d")) == ["d#0", "d#1"]
    assert list(await store.delete("d")) == []
    assert await store.content_hashes(["d"]) == {}
    assert await store.count() == {"documents": 0, "passages": 0}


async def test_passages_that_went_are_noted_until_their_vectors_are_deleted(store: DocumentStore) -> None:
    """By the put or delete that removed them, and for as long as nobody has put them back or said that it is done."""
    await store.put(document(), parts(document(), 4), "h1")
    await store.put(document(), parts(document(), 2), "h2")
    assert sorted(await store.left_behind(limit=10)) == ["d#2", "d#3"]
    assert len(await store.left_behind(limit=1)) == 1
    assert await store.left_behind(limit=10, namespace="a") == []
    await store.put(document(), parts(document(), 3), "h3")
    assert await store.left_behind(limit=10) == ["d#3"]
    await store.delete("d")
    assert sorted(await store.left_behind(limit=10)) == ["d#0", "d#1", "d#2", "d#3"]
    await store.forget_left(["d#0", "d#1", "d#2"])
    assert await store.left_behind(limit=10) == ["d#3"]


async def test_namespaces_are_apart(store: DocumentStore) -> None:
    """The same id in two namespaces is two documents."""
    await store.put(document(text="mine"), parts(document(), 1), "h1", namespace="a")
    await store.put(document(text="yours"), parts(document(), 2), "h2", namespace="b")
    await store.delete("d", namespace="b")
    assert await store.content_hashes(["d", "nowhere"], namespace="a") == {"d": "h1"}
    assert await store.passages(["d#0"], namespace="b") == []
    assert await store.count(namespace="a") == {"documents": 1, "passages": 1}
    assert await store.namespaces() == ["a"]
    assert await store.count() == {"documents": 0, "passages": 0}


async def test_more_ids_than_one_statement_takes(store: DocumentStore) -> None:
    """Thousands of passages are read in the order asked for."""
    passages = parts(document(), 1_200)
    await store.put(document(), passages, "h1")
    assert await store.passages([p.id for p in reversed(passages)]) == list(reversed(passages))


async def test_a_failed_put_changes_nothing(store: DocumentStore) -> None:
    """A passage id that another document holds fails the whole put: the old version stays whole."""
    await store.put(document("d"), parts(document("d"), 2), "h1")
    other = document("e")
    await store.put(other, parts(other, 1), "h1")
    thief = [*parts(other, 1), Passage("d#1", "e", "", "stolen")]
    with pytest.raises(Permanent):
        await store.put(other, thief, "h2")
    assert await store.content_hashes(["e", "nowhere"]) == {"e": "h1"}
    assert [p.text for p in await store.passages(["d#1", "e#0"])] == ["text 1", "text 0"]


@pytest.mark.parametrize("value", [None, float("nan"), {"a": 1}, (1, 2)])
async def test_what_is_not_metadata_is_refused(store: DocumentStore, value: object) -> None:
    """Only text, numbers, booleans and lists of text can be stored and filtered by."""
    with pytest.raises(Permanent):
        await store.put(Document("d", "T", "x", {"k": value}), [], "h1")  # type: ignore[dict-item]
    assert await store.content_hashes(["d"]) == {}


async def test_text_that_is_not_unicode_is_refused(store: DocumentStore) -> None:
    """Half a surrogate pair cannot be stored, and says so."""
    with pytest.raises(InvalidText):
        await store.put(document(), [Passage("d", "d", "T", "\ud800")], "h1")
    with pytest.raises(InvalidText):
        await store.passages(["\ud800"])


async def test_puts_at_once_all_arrive(store: DocumentStore) -> None:
    """Concurrent writers of different documents do not disturb each other."""
    documents = [document(f"d{i}") for i in range(50)]
    await asyncio.gather(*(store.put(d, parts(d, 2), "h") for d in documents))
    assert await store.count() == {"documents": 50, "passages": 100}


async def test_a_sample_is_spread_over_the_namespace(store: DocumentStore) -> None:
    """Evenly in the order of ids, the same each time, all when there are fewer, none of another namespace."""
    d, other = document(), document("a")
    await store.put(d, parts(d, 9), "h")
    await store.put(other, parts(other, 9), "h", namespace="other")
    assert [passage.id for passage in await store.sample(3)] == ["d#0", "d#3", "d#6"]
    assert await store.sample(3) == await store.sample(3)
    assert len(await store.sample(50)) == 9
    assert await store.sample(3, namespace="nowhere") == []
