"""For LangChain (extra `langchain`): the embedded stores as a `VectorStore`, the hybrid search as a `BaseRetriever`.

A LangChain document becomes a document of one passage: what is added here is also found by keyword and can be cited.
"""

import hashlib
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeAlias

from langchain_core.documents import Document as LangChainDocument
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import VectorStore
from pydantic import Field, PrivateAttr

from retrieval.background import BackgroundLoop
from retrieval.embedded.database import Database
from retrieval.embedded.documents import SqliteDocumentStore
from retrieval.embedded.vectors import SqliteVectorStore
from retrieval.ports import Filter
from retrieval.types import Document, Found, Hit, Metadata, Passage, Query, RankedPassage, Vector

Search: TypeAlias = Callable[[Query], Awaitable[Found]]

Scored = list[tuple[LangChainDocument, float]]


class EmbeddedVectorStore(VectorStore):
    """Open it with `open(path, embedding)` or `await aopen(…)`; close it with `close()` or `await aclose()`.

    Scores are cosines. `filter` takes `retrieval.ports.Filter`. Metadata is flat (text, numbers, booleans, lists of
    text); a `title` in it becomes the document's. Raises `retrieval.errors.RetrievalError`.
    """

    def __init__(self, database: Database, embedding: Embeddings, *, namespace: str = "") -> None:
        self._database = database
        self._documents = SqliteDocumentStore(database)
        self._vectors = SqliteVectorStore(database)
        self._embedding = embedding
        self._namespace = namespace
        self._background = BackgroundLoop("langchain-store")

    @classmethod
    async def aopen(cls, path: Path, embedding: Embeddings, *, namespace: str = "") -> Self:
        database = await Database.open(path)
        await SqliteDocumentStore.open(database)
        await SqliteVectorStore.open(database)
        return cls(database, embedding, namespace=namespace)

    @classmethod
    def open(cls, path: Path, embedding: Embeddings, *, namespace: str = "") -> Self:
        background = BackgroundLoop()
        try:
            return background.run(cls.aopen(path, embedding, namespace=namespace))
        finally:
            background.close()

    async def aclose(self) -> None:
        await self._database.aclose()
        self._background.close()

    def close(self) -> None:
        self._background.run(self._database.aclose())
        self._background.close()

    @property
    def embeddings(self) -> Embeddings:
        return self._embedding

    async def aadd_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Replaces by id; without ids each text gets a new one. Raises ValueError when the lists differ in length."""
        documents = _documents(list(texts), metadatas, ids)
        vectors = await self._embedding.aembed_documents([document.text for document in documents])
        items = [(d.id, vector, d.metadata) for d, vector in zip(documents, vectors, strict=True)]
        await self._vectors.upsert(items, namespace=self._namespace)
        for document in documents:
            await self._documents.put(document, [_whole(document)], _hash(document.text), namespace=self._namespace)
        return [document.id for document in documents]

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        return self._background.run(self.aadd_texts(texts, metadatas, ids=ids))

    async def adelete(self, ids: list[str] | None = None, **kwargs: Any) -> bool:
        """Unknown ids are no error. Raises ValueError without ids: everything is never deleted by omission."""
        if ids is None:
            raise ValueError("delete needs ids")
        for id in ids:
            await self._documents.delete(id, namespace=self._namespace)
        await self._vectors.delete(ids, namespace=self._namespace)
        return True

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool:
        return self._background.run(self.adelete(ids))

    async def aget_by_ids(self, ids: Sequence[str], /) -> list[LangChainDocument]:
        return [_to_langchain(p) for p in await self._documents.passages(ids, namespace=self._namespace)]

    def get_by_ids(self, ids: Sequence[str], /) -> list[LangChainDocument]:
        return self._background.run(self.aget_by_ids(ids))

    async def asimilarity_search_with_score(
        self, query: str, k: int = 4, *, filter: Filter | None = None, **kwargs: Any
    ) -> Scored:
        return await self._search(await self._embedding.aembed_query(query), k, filter)

    def similarity_search_with_score(
        self, query: str, k: int = 4, *, filter: Filter | None = None, **kwargs: Any
    ) -> Scored:
        return self._background.run(self.asimilarity_search_with_score(query, k, filter=filter))

    async def asimilarity_search(
        self, query: str, k: int = 4, *, filter: Filter | None = None, **kwargs: Any
    ) -> list[LangChainDocument]:
        return [document for document, _ in await self.asimilarity_search_with_score(query, k, filter=filter)]

    def similarity_search(
        self, query: str, k: int = 4, *, filter: Filter | None = None, **kwargs: Any
    ) -> list[LangChainDocument]:
        return self._background.run(self.asimilarity_search(query, k, filter=filter))

    async def asimilarity_search_by_vector(
        self, embedding: Vector, k: int = 4, *, filter: Filter | None = None, **kwargs: Any
    ) -> list[LangChainDocument]:
        return [document for document, _ in await self._search(embedding, k, filter)]

    def similarity_search_by_vector(
        self, embedding: Vector, k: int = 4, *, filter: Filter | None = None, **kwargs: Any
    ) -> list[LangChainDocument]:
        return self._background.run(self.asimilarity_search_by_vector(embedding, k, filter=filter))

    @classmethod
    async def afrom_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Needs `path=`, takes `namespace=`; adds to what the file holds."""
        store = await cls.aopen(embedding=embedding, **kwargs)
        try:
            await store.aadd_texts(texts, metadatas, ids=ids)
        except BaseException:
            await store.aclose()
            raise
        return store

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Needs `path=`, takes `namespace=`; adds to what the file holds."""
        background = BackgroundLoop()
        try:
            return background.run(cls.afrom_texts(texts, embedding, metadatas, ids=ids, **kwargs))
        finally:
            background.close()

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return lambda cosine: min(1.0, max(0.0, cosine))

    async def _search(self, vector: Vector, k: int, filter: Filter | None) -> Scored:
        hits: list[Hit] = await self._vectors.search(vector, top_k=k, namespace=self._namespace, filter=filter)
        scores = {hit.passage: hit.score for hit in hits}
        passages = await self._documents.passages(list(scores), namespace=self._namespace)
        return [(_to_langchain(passage), scores[passage.id]) for passage in passages]


class HybridRetriever(BaseRetriever):
    """`search` is a `retrieval.hybrid.Hybrid`'s, or one like it; it gives `k` documents at most, also by
    `invoke(question, k=…)`. Metadata is the passage's, with `title`, `document`, `score` and `why` (how it was found).

    Synchronous calls run on a loop in a thread of their own, which `close()` ends. A search over parts that belong to
    one event loop, such as another server's, is for `ainvoke` on that loop. Raises `retrieval.errors.RetrievalError`.
    """

    search: Search
    k: int = Field(default=5, ge=1)
    namespace: str = ""
    filter: Mapping[str, Any] | None = None

    _background: BackgroundLoop = PrivateAttr(default_factory=lambda: BackgroundLoop("langchain-retriever"))

    async def _aget_relevant_documents(
        self, query: str, *, k: int | None = None, **kwargs: Any
    ) -> list[LangChainDocument]:
        found = await self.search(Query(query, self.namespace, self.filter, self.k if k is None else k))
        return [_explained(ranked) for ranked in found.passages]

    def _get_relevant_documents(self, query: str, *, k: int | None = None, **kwargs: Any) -> list[LangChainDocument]:
        return self._background.run(self._aget_relevant_documents(query, k=k))

    def close(self) -> None:
        self._background.close()


def _documents(texts: list[str], metadatas: list[dict[str, Any]] | None, ids: list[str] | None) -> list[Document]:
    named = ids if ids is not None else [None] * len(texts)
    described = metadatas if metadatas is not None else [{}] * len(texts)
    rows = zip(texts, described, named, strict=True)
    return [Document(id or str(uuid.uuid4()), str(m.get("title", "")), text, m) for text, m, id in rows]


def _whole(document: Document) -> Passage:
    return Passage(document.id, document.id, document.title, document.text, 0, 0, len(document.text), document.metadata)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _to_langchain(passage: Passage) -> LangChainDocument:
    return LangChainDocument(id=passage.id, page_content=passage.text, metadata=_plain(passage.metadata))


def _plain(metadata: Metadata) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in metadata.items()}


def _explained(ranked: RankedPassage) -> LangChainDocument:
    passage = ranked.passage
    told = {
        "title": passage.title,
        "document": passage.document,
        "score": ranked.score,
        "why": [str(why) for why in ranked.why],
    }
    return LangChainDocument(id=passage.id, page_content=passage.text, metadata=_plain(passage.metadata) | told)
