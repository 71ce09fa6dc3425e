"""Writes of the graph: each a coroutine of one transaction, every statement over rows."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from graph.names import fold_name, record_names
from graph.neo4j.port import Database, Run
from graph.neo4j.queries import query
from graph.types import DocumentLinks, PassageLinks, Record
from graph.weights import LEAST, NAME_SHARE

Rows: TypeAlias = Sequence[Mapping[str, Any]]
_AT_ONCE = 5_000  # rows of one statement: what the server holds in memory stays bounded
_STAMPS: Final = 1_000_000  # names of one transaction that are told apart in order


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
        touched, gone = await self._unlink([document.document for document in documents])
        latest = {document.document: document for document in documents}
        await self._rows("link_documents", [{"key": key, "title": links.title} for key, links in latest.items()])
        await self._rows("link_passages", list(_passages(latest.values())), scope=scope(self._namespace))
        await self._rows("link_neighbours", list(_neighbours(latest.values())))
        await self._rows("name_documents", self._stamped(_names(latest.values())))
        passages = [passage for document in latest.values() for passage in document.passages]
        await self._mention(passages)
        await self._resize(len(passages) - gone)
        await self._drop_orphans(touched)

    async def unlink(self, document: str) -> None:
        touched, gone = await self._unlink([document])
        await self._resize(-gone)
        await self._drop_orphans(touched)

    async def relink(self, passages: Sequence[PassageLinks], settled: Sequence[str]) -> None:
        rows = await self._do("forget_mentions", passages=[passage.passage for passage in passages])
        there = {key for key, _ in rows}
        await self._mention([passage for passage in passages if passage.passage in there])
        await self._do("settle", names=list(settled))
        await self._drop_orphans(entity for _, entities in rows for entity in entities)

    async def link_records(self, records: Sequence[Record]) -> None:
        latest = {(record.collection, record.id): record for record in records}
        rows = [{"collection": collection, "key": key} for collection, key in latest]
        touched = await self._rows("link_records", rows)
        await self._rows("name_records", self._stamped(_record_names(latest.values())))
        await self._drop_orphans(entity for (entity,) in touched)

    async def _unlink(self, documents: Sequence[str]) -> tuple[set[str], int]:
        """The entities that lost an edge, and how many passages went."""
        rows = await self._do("unlink", documents=list(dict.fromkeys(documents)))
        return {entity for _, entities in rows for entity in entities}, sum(gone for gone, _ in rows)

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
