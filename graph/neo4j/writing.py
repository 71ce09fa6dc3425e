"""Writes of the graph: each a coroutine of one transaction, every statement over rows."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple, TypeAlias

from graph.names import fold_name, record_names
from graph.neo4j.port import Database, Run
from graph.neo4j.queries import query
from graph.types import DocumentLinks, PassageLinks, Record, RecordKey
from graph.weights import LEAST, NAME_SHARE

Rows: TypeAlias = Sequence[Mapping[str, Any]]
_AT_ONCE = 5_000  # rows of one statement: what the server holds in memory stays bounded
_STAMPS: Final = 1_000_000  # names of one transaction that are told apart in order


class _Lost(NamedTuple):
    """What went with documents: how many passages, the entities that lost a mention, and the names they had."""

    passages: int
    edges: set[str]
    names: set[str]


class Writing:
    """One transaction's writes to one namespace. `begin` comes first: it keeps other writers out until the end."""

    def __init__(self, run: Run, namespace: str) -> None:
        self._run = run
        self._namespace = namespace
        self._stamp = 0

    async def begin(self) -> bool:
        """False when the namespace is not there yet."""
        held = await self._do("lock")
        if held:
            self._stamp = held[0][0] * _STAMPS
        return bool(held)

    async def found(self) -> None:
        """Makes the namespace; in a transaction of its own."""
        await self._do("found", least=LEAST)

    async def link(self, documents: Sequence[DocumentLinks]) -> None:
        lost = await self._unlink([document.document for document in documents])
        latest = {document.document: document for document in documents}
        await self._rows("link_documents", [{"key": key, "title": links.title} for key, links in latest.items()])
        await self._rows("link_passages", list(_passages(latest.values())), scope=scope(self._namespace))
        await self._rows("link_neighbours", list(_neighbours(latest.values())))
        await self._rows("name_documents", self._stamped(_names(latest.values())))
        passages = [passage for document in latest.values() for passage in document.passages]
        await self._mention(passages)
        await self._resize(len(passages) - lost.passages)
        await self._doubt(lost.names)
        await self._drop_orphans(lost.edges)

    async def unlink(self, document: str) -> None:
        lost = await self._unlink([document])
        await self._resize(-lost.passages)
        await self._doubt(lost.names)
        await self._drop_orphans(lost.edges)

    async def relink(self, passages: Sequence[PassageLinks], settled: Sequence[str]) -> None:
        rows = await self._do("forget_mentions", passages=[passage.passage for passage in passages])
        there = {key for key, _ in rows}
        await self._mention([passage for passage in passages if passage.passage in there])
        await self._do("settle", names=list(settled))
        await self._drop_orphans(chain(settled, *(entities for _, entities in rows)))

    async def unsettle(self, names: Sequence[str]) -> None:
        await self._rows("unsettle_names", self._stamped({"entity": name} for name in names))

    async def link_records(self, records: Sequence[Record]) -> None:
        latest = {(record.collection, record.id): record for record in records}
        rows = record_rows(RecordKey(*key) for key in latest)
        touched = {entity for (entity,) in await self._rows("link_records", rows)}
        await self._rows("name_records", self._stamped(_record_names(latest.values())))
        await self._doubt(touched)
        await self._drop_orphans(touched)

    async def unlink_records(self, records: Sequence[RecordKey]) -> None:
        touched = {entity for (entity,) in await self._rows("unlink_records", record_rows(records))}
        await self._doubt(touched)
        await self._drop_orphans(touched)

    async def _unlink(self, documents: Sequence[str]) -> _Lost:
        rows = await self._do("unlink", documents=list(dict.fromkeys(documents)))
        edges = {entity for _, mentioned, _ in rows for entity in mentioned}
        return _Lost(sum(gone for gone, _, _ in rows), edges, {entity for _, _, names in rows for entity in names})

    async def _doubt(self, names: Iterable[str]) -> None:
        """Of these, what nothing is called by any more is unread: a passage that mentions it may have another name in
        its place. It stays until then: another linker may still take it for a name."""
        await self._rows("doubt_names", self._stamped({"entity": entity} for entity in sorted(set(names))))

    async def _mention(self, passages: Sequence[PassageLinks]) -> None:
        await self._rows("mention", list(_mentions(passages)))
        plain = {(passage.passage, name) for passage in passages for name in passage.plain}
        await self._rows("stand_plain", [{"passage": passage, "entity": name} for passage, name in sorted(plain)])

    async def _resize(self, change: int) -> None:
        await self._do("resize", change=change, share=NAME_SHARE, least=LEAST)

    async def _drop_orphans(self, touched: Iterable[str]) -> None:
        await self._do("drop_orphans", entities=sorted(set(touched)))

    def _stamped(self, rows: Iterable[dict[str, Any]]) -> Rows:
        """With what puts unread names into the order in which they came."""
        return [{**row, "stamp": self._stamp + at} for at, row in enumerate(rows)]

    async def _rows(self, name: str, rows: Rows, **parameters: Any) -> list[list[Any]]:
        found: list[list[Any]] = []
        for start in range(0, len(rows), _AT_ONCE):
            found += await self._do(name, rows=rows[start : start + _AT_ONCE], **parameters)
        return found

    async def _do(self, name: str, **parameters: Any) -> list[list[Any]]:
        return await self._run(query(name), {"namespace": self._namespace, **parameters})


async def write(db: Database, namespace: str, work: Callable[[Writing, Run], Awaitable[None]]) -> None:
    """One transaction that has the namespace for itself."""

    async def begun(run: Run) -> bool:
        writing = Writing(run, namespace)
        there = await writing.begin()
        if there:
            await work(writing, run)
        return there

    if not await db.write(begun):
        await db.write(lambda run: Writing(run, namespace).found())
        await db.write(begun)


def scope(namespace: str) -> str:
    """The word in the full-text index that stands for a namespace."""
    return f"n{namespace.encode().hex()}"


def record_rows(records: Iterable[RecordKey]) -> Rows:
    """Each once."""
    return [{"collection": collection, "key": key} for collection, key in dict.fromkeys(records)]


def _passages(documents: Iterable[DocumentLinks]) -> Iterable[dict[str, Any]]:
    for document in documents:
        for position, passage in enumerate(document.passages):
            yield {
                "document": document.document,
                "key": passage.passage,
                "position": position,
                "text": passage.text,
                "words": fold_name(passage.text),
            }


def _neighbours(documents: Iterable[DocumentLinks]) -> Iterable[dict[str, Any]]:
    for document in documents:
        for passage, following in zip(document.passages, document.passages[1:], strict=False):
            yield {"passage": passage.passage, "next": following.passage}


def _names(documents: Iterable[DocumentLinks]) -> Iterable[dict[str, Any]]:
    for document in documents:
        for entity in document.names:
            yield {"document": document.document, "entity": entity.id, "name": entity.name}


def _mentions(passages: Iterable[PassageLinks]) -> Iterable[dict[str, Any]]:
    """Of several mentions of one entity in a passage the first."""
    for passage in passages:
        spelled = {entity.id: entity.name for entity in passage.entities}
        first = {mention.entity: mention for mention in reversed(passage.mentions)}
        for id, mention in first.items():
            yield {
                "passage": passage.passage,
                "entity": id,
                "name": spelled[id],
                "start": mention.start,
                "end": mention.end,
            }


def _record_names(records: Iterable[Record]) -> Iterable[dict[str, Any]]:
    for record in records:
        for field, entity in record_names(record).items():
            yield {
                "collection": record.collection,
                "key": record.id,
                "field": field,
                "entity": entity.id,
                "name": entity.name,
            }
