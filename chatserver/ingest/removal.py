"""Takes documents and records out again: text, vectors, links and names.

A document is gone from every search once `documents` returns (`Library.remove`), a record from every query once
`records` does. Passages that mention the name of one that went are read again by the next ingest of the namespace, as
they are for a name that comes (`chatserver.ingest.linker`). What answers have quoted stays in them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from graph.ports import GraphIndex, Library, RecordStore
from graph.types import RecordKey


@dataclass(frozen=True, slots=True)
class Removal:
    library: Library
    graph: GraphIndex
    record_store: RecordStore

    async def documents(self, documents: Sequence[str], namespace: str = "") -> list[str]:
        """Those that were there. Raises `RetrievalError`; done again, it goes on."""
        return await self.library.remove(list(dict.fromkeys(documents)), namespace=namespace)

    async def records(self, records: Sequence[RecordKey], namespace: str = "") -> list[RecordKey]:
        """Those that were there. Raises `RetrievalError`; done again, it goes on: the names go first, since without
        the record nobody would find them."""
        await self.graph.unlink_records(records, namespace=namespace)
        return await self.record_store.delete(records, namespace=namespace)
