"""Links documents into the graph while they are ingested.

Theory of operation
    All known names lie in a trie in memory: read from the store once, then added to. A document is linked with the
    names known at that moment. Where the input can be read twice, its names are announced before anything is
    linked, so that none of its passages need be read again. A name that comes later may stand in passages that are
    linked already: the store keeps new names as unread, finds the passages that contain their words by its full-
    text index, and `settle` reads those passages again. So the order of documents does not matter, and a new
    document costs a look-up for each of its names instead of a pass over the corpus. A name that goes with its
    document is unread too, for the passages that mention it. What is unread survives a crash: the next ingest
    settles it.

    Another ingest may settle a name that this one does not know of, and then this one stores passages with it. So it
    ends by comparing: what is a name now and was none to it, or was one and is none, is unread once more.
    (One that is killed before that leaves those passages as they are, until they are read again for another name.)
"""

import asyncio
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from graph.linking import document_links, passage_links
from graph.mentions import NameTrie
from graph.names import record_names, title_names
from graph.ports import Announcing
from graph.types import DocumentLinks, Entity, PassageLinks, Record, Unread
from retrieval.types import Document, Passage

_ROUND = 500  # names settled at a time


class Linking(Protocol):
    """Of a `graph.ports.GraphIndex`, what links documents."""

    async def link(self, documents: Sequence[DocumentLinks], *, namespace: str = "") -> None: ...
    async def link_records(self, records: Sequence[Record], *, namespace: str = "") -> None: ...
    async def names(self, *, namespace: str = "") -> list[str]: ...
    async def unread(self, *, limit: int, namespace: str = "") -> tuple[list[str], list[Unread]]: ...
    async def relink(
        self, passages: Sequence[PassageLinks], settled: Sequence[str], *, namespace: str = ""
    ) -> None: ...
    async def unsettle(self, names: Sequence[str], *, namespace: str = "") -> None: ...


class Linker:
    """For one ingest. Call `open` first, `settle` last."""

    def __init__(self, graph: Linking, namespace: str) -> None:
        self._graph = graph
        self._namespace = namespace
        self._names = NameTrie()
        self._id = ""
        self._new = 0

    @property
    def announces(self) -> bool:
        """Whether it is of use to."""
        return isinstance(self._graph, Announcing)

    async def open(self) -> None:
        """Reads the known names; again, without those that nothing is called by any more and with those that other
        processes have added since."""
        await self._know(await self._graph.names(namespace=self._namespace))

    async def announce(self, names: Iterable[Entity]) -> None:
        """Names of documents to come: all that is linked from now on is linked with them."""
        new = {name.id: name for name in names if name.id not in self._names}
        if new and isinstance(self._graph, Announcing):
            await self._graph.announce(list(new.values()), self._id, namespace=self._namespace)
            self._learn(new.values())

    async def link(self, documents: Sequence[tuple[Document, Sequence[Passage]]]) -> None:
        await self._graph.link(await self.links_of(documents), namespace=self._namespace)

    async def links_of(self, documents: Sequence[tuple[Document, Sequence[Passage]]]) -> list[DocumentLinks]:
        """What the graph is to hold of each, for the caller to put there before `settle`."""
        for document, _ in documents:
            self._learn(title_names(document.title))
        return await asyncio.to_thread(
            lambda: [
                document_links(document.id, document.title, passages, self._names, self._id)
                for document, passages in documents
            ]
        )

    async def link_records(self, records: Sequence[Record]) -> None:
        for record in records:
            self._learn(record_names(record).values())
        await self._graph.link_records(records, namespace=self._namespace)

    async def settle(self, settled: Callable[[int, int], None]) -> None:
        """Links earlier passages to the names that came after them, and none to names that went; `settled` is told how
        many names are done, of how many."""
        names = await self._graph.names(namespace=self._namespace)
        if strange := await asyncio.to_thread(lambda: sorted(set(names).symmetric_difference(self._names))):
            await self._graph.unsettle(strange, namespace=self._namespace)
        await self._know(names)
        done = 0
        while True:
            unread, passages = await self._graph.unread(limit=_ROUND, namespace=self._namespace)
            if not unread:
                return
            links = await asyncio.to_thread(self._read_again, passages)
            await self._graph.relink(links, unread, namespace=self._namespace)
            done += len(unread)
            settled(done, max(done, self._new))

    async def _know(self, names: Sequence[str]) -> None:
        self._names = await asyncio.to_thread(NameTrie, names)
        self._id = uuid.uuid4().hex  # it knows other names than before

    def _learn(self, names: Iterable[Entity]) -> None:
        self._new += sum(self._names.add(name.id) for name in names)

    def _read_again(self, passages: Sequence[Unread]) -> list[PassageLinks]:
        return [passage_links(unread.passage, unread.title, unread.text, self._names) for unread in passages]
