"""The graph in SQLite."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Self, TypeVar

from graph.embedded import schema, telling, unread, writing
from graph.embedded.expansion import expand
from graph.embedded.links import links
from graph.embedded.neighbourhood import around
from graph.types import DocumentLinks, Entity, Fact, PassageLinks, Record, RecordKey, Subgraph, Unread
from retrieval.embedded.database import Database
from retrieval.embedded.faults import typed_errors
from retrieval.types import Hit, Link

T = TypeVar("T")


class SqliteGraphStore:
    """Open it with `await SqliteGraphStore.open(db)`, best in the file of the passages; the database is the caller's to
    close. It keeps the passages' text once more, in a full-text index of
    its own: a name that comes late finds the passages that mention it by it."""

    def __init__(self, db: Database) -> None:
        self._db = db

    @classmethod
    async def open(cls, db: Database) -> Self:
        with typed_errors():
            await schema.prepare(db)
        return cls(db)

    async def link(self, documents: Sequence[DocumentLinks], *, namespace: str = "") -> None:
        await self._write(lambda connection: writing.link(connection, namespace, documents))

    async def unlink(self, document: str, *, namespace: str = "") -> None:
        await self._write(lambda connection: writing.unlink(connection, namespace, document))

    async def link_records(self, records: Sequence[Record], *, namespace: str = "") -> None:
        await self._write(lambda connection: writing.link_records(connection, namespace, records))

    async def unlink_records(self, records: Sequence[RecordKey], *, namespace: str = "") -> None:
        await self._write(lambda connection: writing.unlink_records(connection, namespace, records))

    async def announce(self, names: Sequence[Entity], linker: str, *, namespace: str = "") -> None:
        await self._write(lambda connection: writing.announce(connection, namespace, names, linker))

    async def names(self, *, namespace: str = "") -> list[str]:
        return await self._read(lambda connection: telling.names(connection, namespace))

    async def size(self, *, namespace: str = "") -> int:
        return await self._read(lambda connection: writing.passages(connection, namespace))

    async def unread(self, *, limit: int, namespace: str = "") -> tuple[list[str], list[Unread]]:
        return await self._read(lambda connection: unread.unread(connection, namespace, limit))

    async def relink(self, passages: Sequence[PassageLinks], settled: Sequence[str], *, namespace: str = "") -> None:
        await self._write(lambda connection: writing.relink(connection, namespace, passages, settled))

    async def unsettle(self, names: Sequence[str], *, namespace: str = "") -> None:
        await self._write(lambda connection: writing.unsettle(connection, namespace, names))

    async def entities(self, names: Sequence[str], *, namespace: str = "") -> list[Entity]:
        return await self._read(lambda connection: telling.entities(connection, namespace, names))

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
            lambda connection: expand(connection, namespace, passages, entities, limit=limit, hops=hops)
        )

    async def links(self, passages: Sequence[str], *, namespace: str = "") -> list[Link]:
        return await self._read(lambda connection: links(connection, namespace, passages))

    async def facts(self, passages: Sequence[str], *, limit: int, namespace: str = "") -> list[Fact]:
        return await self._read(lambda connection: telling.facts(connection, namespace, passages, limit))

    async def subgraph(self, centre: str, *, hops: int = 1, limit: int = 50, namespace: str = "") -> Subgraph:
        return await self._read(lambda connection: around(connection, namespace, centre, hops=hops, limit=limit))

    async def _write(self, run: Callable[[sqlite3.Connection], None]) -> None:
        with typed_errors():
            await self._db.write(run)

    async def _read(self, run: Callable[[sqlite3.Connection], T]) -> T:
        with typed_errors():
            return await self._db.read(run)
