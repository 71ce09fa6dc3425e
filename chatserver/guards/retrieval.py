"""The ports of retrieval, each behind a guard. All their calls are safe to repeat: writes replace by id."""

from collections.abc import Sequence
from dataclasses import dataclass

from chatserver.guards.guard import Guard
from retrieval.embedders.checks import check_texts
from retrieval.ports import Embedder, Filter, VectorStore
from retrieval.types import Hit, Metadata, Vector


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that one attempt may take: for what a question waits for, and for what ingestion does."""

    read_s: float = 2.0
    write_s: float = 30.0


DEFAULT_LIMITS = Limits()


class GuardedEmbedder:
    """One text is a question, several are an ingest."""

    def __init__(self, embedder: Embedder, guard: Guard, limits: Limits = DEFAULT_LIMITS) -> None:
        self.name = embedder.name
        self.dimension = embedder.dimension
        self._embedder = embedder
        self._guard = guard
        self._limits = limits

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        check_texts(texts)  # before the guard: what was never sent tells nothing of the upstream
        limit_s = self._limits.write_s if len(texts) > 1 else self._limits.read_s
        return await self._guard.call(lambda: self._embedder.embed(texts), within_s=limit_s)


class GuardedVectorStore:
    def __init__(self, store: VectorStore, guard: Guard, limits: Limits = DEFAULT_LIMITS) -> None:
        self._store = store
        self._guard = guard
        self._limits = limits

    async def upsert(self, items: Sequence[tuple[str, Vector, Metadata]], *, namespace: str = "") -> None:
        await self._guard.call(lambda: self._store.upsert(items, namespace=namespace), within_s=self._limits.write_s)

    async def delete(self, passages: Sequence[str], *, namespace: str = "") -> None:
        await self._guard.call(lambda: self._store.delete(passages, namespace=namespace), within_s=self._limits.write_s)

    async def search(
        self, vector: Vector, *, top_k: int, namespace: str = "", filter: Filter | None = None
    ) -> list[Hit]:
        return await self._guard.call(
            lambda: self._store.search(vector, top_k=top_k, namespace=namespace, filter=filter),
            within_s=self._limits.read_s,
        )

    async def fetch(self, passages: Sequence[str], *, namespace: str = "") -> dict[str, Vector]:
        return await self._guard.call(
            lambda: self._store.fetch(passages, namespace=namespace), within_s=self._limits.write_s
        )
