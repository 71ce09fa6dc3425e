"""The graph in Neo4j."""

from collections.abc import Awaitable, Callable, Sequence

from graph.neo4j.neighbourhood import around
from graph.neo4j.port import Database
from graph.neo4j.queries import query, walk
from graph.neo4j.reading import Step, links, reached
from graph.neo4j.writing import Writing, scope, write
from graph.types import DocumentLinks, Entity, EntityKind, Fact, PassageLinks, Record, RecordKey, Subgraph, Unread
from graph.weights import NEAR, combine
from retrieval.types import Hit, Link

_ROWS = 4_000
_LINKS = 6_000  # of some dozen passages


class Neo4jGraphStore:
    """Documents, passages, entities and records as nodes with these labels; PART_OF, NEXT, STARTS_WITH, MENTIONS,
    PLAIN (an ordinary word), NAMES and STANDS_IN between them. The database is the caller's to close."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def link(self, documents: Sequence[DocumentLinks], *, namespace: str = "") -> None:
        await self._write(namespace, lambda writing: writing.link(documents))

    async def unlink(self, document: str, *, namespace: str = "") -> None:
        await self._write(namespace, lambda writing: writing.unlink(document))

    async def link_records(self, records: Sequence[Record], *, namespace: str = "") -> None:
        await self._write(namespace, lambda writing: writing.link_records(records))

    async def relink(self, passages: Sequence[PassageLinks], settled: Sequence[str], *, namespace: str = "") -> None:
        await self._write(namespace, lambda writing: writing.relink(passages, settled))

    async def unsettle(self, names: Sequence[str], *, namespace: str = "") -> None:
        await self._write(namespace, lambda writing: writing.unsettle(names))

    async def unlink_records(self, records: Sequence[RecordKey], *, namespace: str = "") -> None:
        await self._write(namespace, lambda writing: writing.unlink_records(records))

    async def names(self, *, namespace: str = "") -> list[str]:
        return [key for (key,) in await self._db.read(query("names"), {"namespace": namespace})]

    async def size(self, *, namespace: str = "") -> int:
        rows = await self._db.read(query("size"), {"namespace": namespace})
        return int(rows[0][0]) if rows else 0

    async def unread(self, *, limit: int, namespace: str = "") -> tuple[list[str], list[Unread]]:
        parameters = {"namespace": namespace, "limit": limit}
        names = [key for (key,) in await self._db.read(query("unread_names"), parameters)]
        # a folded name has letters, digits and spaces only: nothing of Lucene's syntax
        rows = [{"name": name, "search": f'scope:{scope(namespace)} AND words:"{name}"'} for name in names]
        found = await self._db.read(query("unread_passages"), {"namespace": namespace, "rows": rows}) if rows else []
        return names, [Unread(*row) for row in found]

    async def entities(self, names: Sequence[str], *, namespace: str = "") -> list[Entity]:
        parameters = {"namespace": namespace, "names": list(dict.fromkeys(names))}
        rows = await self._db.read(query("entities"), parameters)
        return [Entity(key, name, _kind(title, record)) for key, name, title, record in rows]

    async def expand(
        self,
        passages: Sequence[str],
        entities: Sequence[str],
        *,
        limit: int,
        hops: int = 1,
        namespace: str = "",
    ) -> list[Hit]:
        total, steps = await self._walk(passages, entities, hops, None, namespace)
        return combine(reached(total, steps, passages), limit)

    async def links(self, passages: Sequence[str], *, namespace: str = "") -> list[Link]:
        return links(*await self._walk(passages, [], 1, NEAR, namespace))

    async def facts(self, passages: Sequence[str], *, limit: int, namespace: str = "") -> list[Fact]:
        rows = await self._db.read(query("facts"), {"namespace": namespace, "passages": list(passages)})
        found: dict[tuple[str, str], Fact] = {}
        for subject, target, source in rows:
            found.setdefault((subject, target), Fact(subject, "mentions", target, source))
        return list(found.values())[:limit]

    async def subgraph(self, centre: str, *, hops: int = 1, limit: int = 50, namespace: str = "") -> Subgraph:
        return await around(self._db.read, namespace, centre, hops=hops, limit=limit)

    async def _walk(
        self, passages: Sequence[str], entities: Sequence[str], hops: int, near: int | None, namespace: str
    ) -> tuple[int, list[Step]]:
        """How many passages there are, and the links; `near` None: as far as the hub limit, and with titles."""
        parameters = {
            "namespace": namespace,
            "passages": list(dict.fromkeys(passages)),
            "entities": list(dict.fromkeys(entities)),
            "near": near,
            "titled": near is None,
            "rows": _ROWS if near is None else _LINKS,
        }
        rows = await self._db.read(walk(hops), parameters)
        return (rows[0][0], [Step(*step) for step in rows[0][1]]) if rows else (0, [])

    async def _write(self, namespace: str, work: Callable[[Writing], Awaitable[None]]) -> None:
        await write(self._db, namespace, lambda writing, _: work(writing))


def _kind(title: bool, record: bool) -> EntityKind:
    if title:
        return "title"
    return "record" if record else "phrase"
