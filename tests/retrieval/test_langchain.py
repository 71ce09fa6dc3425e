"""The behaviour that LangChain's own standard tests ask of a vector store, synchronous and asynchronous."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding

from retrieval.embedded.database import Database
from retrieval.embedded.keywords import SqliteKeywordIndex
from retrieval.errors import InvalidFilter, Permanent
from retrieval.langchain import EmbeddedVectorStore

EMBEDDING = DeterministicFakeEmbedding(size=6)
FOO = Document("foo", id="1", metadata={"n": 1})
BAR = Document("bar", id="2", metadata={"n": 2, "tags": ["x", "y"]})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedVectorStore]:
    store = EmbeddedVectorStore.open(tmp_path / "store.db", EMBEDDING)
    yield store
    store.close()


def test_an_empty_store_finds_nothing(store: EmbeddedVectorStore) -> None:
    """No documents, no hits."""
    assert store.similarity_search("foo", k=1) == []


def test_documents_come_back_whole(store: EmbeddedVectorStore) -> None:
    """Content, id and metadata, lists included, best first."""
    assert store.add_documents([FOO, BAR]) == ["1", "2"]
    assert store.similarity_search("bar", k=2) == [BAR, FOO]
    assert store.get_by_ids(["2", "nowhere", "1"]) == [BAR, FOO]


def test_scores_are_cosines(store: EmbeddedVectorStore) -> None:
    """A text is as near as can be to itself; relevance lies between 0 and 1."""
    store.add_documents([FOO, BAR])
    (document, score), (_, other) = store.similarity_search_with_score("foo", k=2)
    assert document == FOO
    assert score == pytest.approx(1, abs=1e-3)
    assert -1 <= other < score
    assert all(0 <= relevance <= 1 for _, relevance in store.similarity_search_with_relevance_scores("foo", k=2))
    assert store.similarity_search_by_vector(EMBEDDING.embed_query("foo"), k=1) == [FOO]


def test_adding_by_id_replaces(store: EmbeddedVectorStore) -> None:
    """The same id again is the same document with new content."""
    store.add_documents([FOO, BAR])
    store.add_documents([Document("new foo", id="1", metadata={"n": 3})])
    assert store.similarity_search("new foo", k=1) == [Document("new foo", id="1", metadata={"n": 3})]
    assert len(store.similarity_search("foo", k=9)) == 2


def test_texts_without_ids_get_new_ones(store: EmbeddedVectorStore) -> None:
    """Two equal texts are two documents."""
    ids = store.add_texts(["foo", "foo"])
    assert len(set(ids)) == 2
    assert [document.id for document in store.get_by_ids(ids)] == ids


def test_deleted_documents_are_gone(store: EmbeddedVectorStore) -> None:
    """By id, several at once, unknown ones without an error; never everything by omission."""
    store.add_documents([FOO, BAR])
    assert store.delete(["1", "nowhere"]) is True
    assert store.similarity_search("foo", k=2) == [BAR]
    assert store.get_by_ids(["1"]) == []
    with pytest.raises(ValueError, match="ids"):
        store.delete()


def test_filters_apply(store: EmbeddedVectorStore) -> None:
    """Pinecone's form, on metadata."""
    store.add_documents([FOO, BAR])
    assert store.similarity_search("foo", k=2, filter={"n": {"$gt": 1}}) == [BAR]
    assert store.as_retriever(search_kwargs={"filter": {"tags": "x"}}).invoke("foo") == [BAR]
    with pytest.raises(InvalidFilter):
        store.similarity_search("foo", filter={"n": {"$like": 1}})


def test_bad_input_is_refused(store: EmbeddedVectorStore) -> None:
    """Nested metadata and lists of different lengths are errors, and store nothing."""
    with pytest.raises(Permanent):
        store.add_texts(["foo"], [{"deep": {"er": 1}}])
    with pytest.raises(ValueError):
        store.add_texts(["foo", "bar"], [{}])
    assert store.similarity_search("foo") == []


async def test_the_same_asynchronously(tmp_path: Path) -> None:
    """Every operation has its coroutine."""
    store = await EmbeddedVectorStore.aopen(tmp_path / "store.db", EMBEDDING, namespace="tenant")
    assert await store.aadd_documents([FOO, BAR]) == ["1", "2"]
    assert await store.asimilarity_search("bar", k=1) == [BAR]
    assert (await store.asimilarity_search_with_score("bar", k=1))[0][1] == pytest.approx(1, abs=1e-3)
    assert await store.asimilarity_search_by_vector(EMBEDDING.embed_query("foo"), k=1) == [FOO]
    assert await store.adelete(["2"]) is True
    assert await store.aget_by_ids(["2", "1"]) == [FOO]
    await store.aclose()


async def test_what_is_added_is_found_by_keyword_too(tmp_path: Path) -> None:
    """The passages are those of the other legs; `from_texts` adds to the file, which outlives the store."""
    path = tmp_path / "store.db"
    store = EmbeddedVectorStore.from_texts(["The pump leaks."], EMBEDDING, [{"title": "P-101"}], ids=["p"], path=path)
    store.close()
    database = await Database.open(path)
    index = await SqliteKeywordIndex.open(database)
    assert [hit.passage for hit in await index.search("leaking pumps", top_k=1)] == ["p"]
    await database.aclose()


def test_a_failed_start_leaves_nothing_open(tmp_path: Path) -> None:
    """When the texts are refused, the file is closed again."""
    path = tmp_path / "store.db"
    with pytest.raises(Permanent):
        EmbeddedVectorStore.from_texts(["foo"], EMBEDDING, [{"deep": {}}], path=path)
    path.unlink()
