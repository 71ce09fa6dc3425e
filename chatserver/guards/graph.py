"""The ports of the graph behind one guard: entities and records live in one upstream."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from chatserver.guards.guard import Guard
from chatserver.guards.retrieval import DEFAULT_LIMITS, Limits
from graph.ports import GraphStore, RecordStore
from graph.types import (
    Collection,
    DocumentLinks,
    Entity,
    Fact,
    PassageLinks,
    Record,
    RecordKey,
    RecordQuery,
    Subgraph,
    Unread,
)
from retrieval.types import Hit, Link

T = TypeVar("T")


class GuardedGraphStore:
    def __init__(self, store: GraphStore, guard: Guard, limits: Limits = DEFAULT_LIMITS) -> None:
        self._store = store
        self._guard = guard
        self._limits = limits

    async def link(self, documents: Sequence[DocumentLinks], *, namespace: str = "") -> None:
        await self._write(lambda: self._store.link(documents, namespace=namespace))

    async def unlink(self, document: str, *, namespace: str = "") -> None:
        await self._write(lambda: self._store.unlink(document, namespace=namespace))

    async def link_records(self, records: Sequence[Record], *, namespace: str = "") -> None:
        await self._write(lambda: self._store.link_records(records, namespace=namespace))

    async def unlink_records(self, records: Sequence[RecordKey], *, namespace: str = "") -> None:
        await self._write(lambda: self._store.unlink_records(records, namespace=namespace))

    async def names(self, *, namespace: str = "") -> list[str]:
        return await self._write(lambda: self._store.names(namespace=namespace))

    async def size(self, *, namespace: str = "") -> int:
        return await self._write(lambda: self._store.size(namespace=namespace))

    async def unread(self, *, limit: int, namespace: str = "") -> tuple[list[str], list[Unread]]:
        return await self._write(lambda: self._store.unread(limit=limit, namespace=namespace))

    async def relink(self, passages: Sequence[PassageLinks], settled: Sequence[str], *, namespace: str = "") -> None:
        await self._write(lambda: self._store.relink(passages, settled, namespace=namespace))

    async def unsettle(self, names: Sequence[str], *, namespace: str = "") -> None:
        await self._write(lambda: self._store.unsettle(names, namespace=namespace))

    async def entities(self, names: Sequence[str], *, namespace: str = "") -> list[Entity]:
        return await self._read(lambda: self._store.entities(names, namespace=namespace))

    async def expand(
        self,
        passages: Sequence[str],
        entities: Sequence[str],
        *,
        limit: int,
        hops: int = 1,
        namespace: str = "",
    ) -> list[Hit]:
        return await self._read(
            lambda: self._store.expand(passages, entities, limit=limit, hops=hops, namespace=namespace)
        )

    async def links(self, passages: Sequence[str], *, namespace: str = "") -> list[Link]:
        return await self._read(lambda: self._store.links(passages, namespace=namespace))

    async def facts(self, passages: Sequence[str], *, limit: int, namespace: str = "") -> list[Fact]:
        return await self._read(lambda: self._store.facts(passages, limit=limit, namespace=namespace))

    async def subgraph(self, centre: str, *, hops: int = 1, limit: int = 50, namespace: str = "") -> Subgraph:
        return await self._read(lambda: self._store.subgraph(centre, hops=hops, limit=limit, namespace=namespace))

    async def _read(self, work: Callable[[], Awaitable[T]]) -> T:
        return await self._guard.call(work, within_s=self._limits.read_s)

    async def _write(self, work: Callable[[], Awaitable[T]]) -> T:
        """What ingestion does, its reads of whole namespaces too."""
        return await self._guard.call(work, within_s=self._limits.write_s)


class GuardedRecordStore:
    def __init__(self, store: RecordStore, guard: Guard, limits: Limits = DEFAULT_LIMITS) -> None:
        self._store = store
        self._guard = guard
        self._limits = limits

    async def put(self, records: Sequence[Record], *, namespace: str = "") -> None:
        await self._guard.call(lambda: self._store.put(records, namespace=namespace), within_s=self._limits.write_s)

    async def delete(self, records: Sequence[RecordKey], *, namespace: str = "") -> list[RecordKey]:
        return await self._guard.call(
            lambda: self._store.delete(records, namespace=namespace), within_s=self._limits.write_s
        )

    async def collections(self, *, namespace: str = "") -> Mapping[str, Collection]:
        return await self._guard.call(
            lambda: self._store.collections(namespace=namespace), within_s=self._limits.read_s
        )

    async def namespaces(self) -> list[str]:
        return await self._guard.call(self._store.namespaces, within_s=self._limits.write_s)

    async def page(self, collection: str, after: str, *, limit: int, namespace: str = "") -> list[Record]:
        return await self._guard.call(
            lambda: self._store.page(collection, after, limit=limit, namespace=namespace),
            within_s=self._limits.write_s,
        )

    async def query(self, query: RecordQuery, *, namespace: str = "") -> list[Record]:
        return await self._guard.call(
            lambda: self._store.query(query, namespace=namespace), within_s=self._limits.read_s
        )
