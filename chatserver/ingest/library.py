"""The `Library` over stores that share no transaction: vectors on Pinecone, or the graph in Neo4j.

Theory of operation
    What a search finds is looked up among the passages last, so the passages are what makes a document visible, and
    the store of documents replaces them in one transaction. Before it, the new vectors and links are put: those of
    passages that are not there yet lead to nothing. After it, the vectors of passages that are no more are deleted:
    the store of documents has noted them in the same transaction, so that a crash in between leaves them to whoever
    comes next. To remove a document is the same the other way round: its passages first.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from graph.ports import GraphIndex
from graph.types import Whole
from retrieval.ports import DocumentStore, VectorStore

_LEFT: Final = 1_000  # vectors deleted in one call


class SteppedLibrary:
    """One for a process: two calls for one document wait for each other. Between processes the later one wins."""

    def __init__(self, documents: DocumentStore, vectors: VectorStore, graph: GraphIndex) -> None:
        self._documents = documents
        self._vectors = vectors
        self._graph = graph
        self._busy: set[tuple[str, str]] = set()
        self._free = asyncio.Condition()

    async def store(self, wholes: Sequence[Whole], *, namespace: str = "") -> None:
        if not wholes:
            return
        async with self._alone(namespace, [one.document.id for one in wholes]):
            items = [
                (passage.id, vector, passage.metadata)
                for one in wholes
                for passage, vector in zip(one.passages, one.vectors, strict=True)
            ]
            await self._vectors.upsert(items, namespace=namespace)
            await self._graph.link([one.links for one in wholes], namespace=namespace)
            async with asyncio.TaskGroup() as tasks:
                for one in wholes:
                    put = self._documents.put(one.document, one.passages, one.content_hash, namespace=namespace)
                    tasks.create_task(put)
        await self._sweep(namespace)

    async def remove(self, documents: Sequence[str], *, namespace: str = "") -> list[str]:
        async with self._alone(namespace, documents):
            there = [one for one in documents if await self._documents.delete(one, namespace=namespace)]
            for document in documents:
                await self._graph.unlink(document, namespace=namespace)
        await self._sweep(namespace)
        return there

    async def _sweep(self, namespace: str) -> None:
        """Left to the last of several calls: a passage that is noted as gone may be coming back in another one."""
        async with self._free:
            if self._busy:
                return
            while left := await self._documents.left_behind(limit=_LEFT, namespace=namespace):
                await self._vectors.delete(left, namespace=namespace)
                await self._documents.forget_left(left, namespace=namespace)

    @asynccontextmanager
    async def _alone(self, namespace: str, documents: Iterable[str]) -> AsyncIterator[None]:
        mine = {(namespace, document) for document in documents}
        async with self._free:
            await self._free.wait_for(lambda: not mine & self._busy)
            self._busy |= mine
        try:
            yield
        finally:
            async with self._free:
                self._busy -= mine
                self._free.notify_all()
