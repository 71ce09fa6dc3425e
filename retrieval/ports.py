"""What retrieval needs from the outside. The contract is written here; `tests/contracts` checks every
implementation against it.

All methods are coroutines that never block the event loop. They raise `retrieval.errors.RetrievalError`:
`Temporary` when trying again may help, `Permanent` when it won't. Cancellation is always passed on.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeAlias, runtime_checkable

from retrieval.types import Document, Frequencies, Hit, Link, Metadata, Passage, Query, Serving, Vector

Filter = Mapping[str, object]
"""A metadata filter in Pinecone's form: `{"field": value}`, `{"field": {"$eq"|"$ne"|"$gt"|"$gte"|"$lt"|"$lte":
value}}`, `{"field": {"$in"|"$nin": [...]}}`, `{"$and"|"$or": [filter, ...]}`. `retrieval.filters.parse` checks it."""

Leg: TypeAlias = Callable[[Query], Awaitable[Sequence[Hit]]]
"""One way to find passages, best first. `retrieval.fusion` says what each leg's scores mean."""

Links: TypeAlias = Callable[[Query, Sequence[str]], Awaitable[Sequence[Link]]]
"""The links from some passages to any others, in one round trip."""

CountWords: TypeAlias = Callable[[Query], Awaitable[Frequencies]]
"""How common the question's words are among the passages."""


@runtime_checkable
class Embedder(Protocol):
    """Text to vectors. Empty text is an `InvalidText` error before any call is made; every returned vector has
    `dimension` finite floats and is not zero."""

    name: str
    """Identifies the vector space: two embedders with one name are interchangeable."""
    dimension: int

    async def embed(self, texts: Sequence[str]) -> list[Vector]: ...


@runtime_checkable
class VectorStore(Protocol):
    """Vectors of passages. `upsert` replaces by id, is atomic per call and visible to `search` once it returns; where
    an upstream grants less, its adapter says so."""

    async def upsert(self, items: Sequence[tuple[str, Vector, Metadata]], *, namespace: str = "") -> None: ...

    async def delete(self, passages: Sequence[str], *, namespace: str = "") -> None:
        """Unknown ids are not an error."""

    async def search(
        self, vector: Vector, *, top_k: int, namespace: str = "", filter: Filter | None = None
    ) -> list[Hit]:
        """At most `top_k` hits by cosine, best first, ties by id; an empty store gives an empty list."""

    async def fetch(self, passages: Sequence[str], *, namespace: str = "") -> dict[str, Vector]:
        """The vectors that are stored, up to a positive factor; unknown ids are left out."""


@runtime_checkable
class VectorStaging(Protocol):
    """Vectors of another space, gathered beside those that serve until they replace them all at once. What is staged
    survives a crash."""

    async def is_current(self) -> bool:
        """Whether the vectors that serve are of the new space already, or there are none."""

    async def counts(self) -> tuple[int, int]:
        """(staged, serving)."""

    async def missing(self, limit: int) -> list[Serving]:
        """Those that serve and have no successor: of one namespace, at most `limit`."""

    async def stage(self, successors: Sequence[tuple[Serving, Vector | None]]) -> None:
        """None for a passage that is no more."""

    async def switch(self) -> bool:
        """False, and nothing done, when some are missing."""


@runtime_checkable
class KeywordIndex(Protocol):
    """Full text. Query text is data: operators of the underlying engine have no meaning in it."""

    async def search(self, text: str, *, top_k: int, namespace: str = "", filter: Filter | None = None) -> list[Hit]:
        """At most `top_k` hits by BM25 over title and text, best first; a text without a word gives none."""

    async def frequencies(self, text: str, *, namespace: str = "") -> Frequencies:
        """Of the content words of a text, of the first `retrieval.text.MAX_WORDS` when it has more. An index that
        holds several namespaces may count a word in all of them."""


@runtime_checkable
class DocumentStore(Protocol):
    """Documents and their passages, the truth that citations open."""

    async def content_hashes(self, documents: Sequence[str], *, namespace: str = "") -> Mapping[str, str]:
        """The hashes stored by the last complete `put`; unknown documents are left out."""

    async def put(
        self, document: Document, passages: Sequence[Passage], content_hash: str, *, namespace: str = ""
    ) -> None:
        """Replaces the document, its passages and their full-text entries in one transaction."""

    async def delete(self, document: str, *, namespace: str = "") -> Sequence[str]:
        """Removes a document; returns the ids of the passages that went (vectors are the caller's to delete)."""

    async def left_behind(self, *, limit: int, namespace: str = "") -> list[str]:
        """Passages that a `put` or `delete` has removed and nothing put back, and whose vectors nobody has told to be
        deleted too: noted in the same transaction, so that a crash leaves no vector behind."""

    async def forget_left(self, passages: Sequence[str], *, namespace: str = "") -> None:
        """Their vectors are deleted."""

    async def passages(self, ids: Sequence[str], *, namespace: str = "") -> list[Passage]:
        """In the order asked for; unknown ids are left out."""

    async def namespaces(self) -> list[str]:
        """Those that hold documents."""

    async def sample(self, size: int, *, namespace: str = "") -> list[Passage]:
        """Up to `size` passages, spread evenly over the order of ids: the same ones of the same passages."""

    async def count(self, *, namespace: str = "") -> Mapping[str, int]:
        """`{"documents": n, "passages": n}`."""
