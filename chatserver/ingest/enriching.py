"""What passages cost: vectors and metadata, made at the same time, each behind a bound of its own, each kept as soon as
it is paid for."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

import orjson

from chatserver.embeddings.packing import pack, unpack
from chatserver.ingest.ledger import Paid
from chatserver.ingest.watching import Patiently
from retrieval.chunking import embedded_text
from retrieval.ports import Embedder
from retrieval.types import Metadata, Passage, Vector

Told: TypeAlias = Callable[[str, int], None]
"""A stage, and how many more passages are through it."""


class Extractor(Protocol):
    """Asks a model for a passage's metadata. `name` tells what answers: another name, other results."""

    name: str

    async def extract(self, passage: Passage) -> Metadata:
        """Raises `RetrievalError`."""


@dataclass(frozen=True, slots=True)
class Enriched:
    """`passages` with their metadata (what a document says of itself counts more than what was extracted), a vector
    for each, and what to discard once all of this is stored."""

    passages: Sequence[Passage]
    vectors: Sequence[Vector]
    paid: Sequence[str]


@dataclass(frozen=True, slots=True)
class Enriching:
    """`keeps_vectors`: not where to keep them costs as much as to make them again. `batch`: passages in one call to the
    embedder, of several documents. The slots bound the calls to each upstream that are under way, of all ingests of a
    process."""

    embedder: Embedder
    extractor: Extractor | None
    paid: Paid
    keeps_vectors: bool
    batch: int
    embed_slots: asyncio.Semaphore
    extract_slots: asyncio.Semaphore

    async def enrich(self, passages: Sequence[Passage], patiently: Patiently, told: Told) -> Enriched:
        """Raises `RetrievalError`; what was paid for by then is kept."""
        async with asyncio.TaskGroup() as tasks:
            vectors = tasks.create_task(self._embed_all(passages, patiently, told))
            described = tasks.create_task(self._describe_all(passages, patiently, told))
        return Enriched(described.result(), vectors.result(), self._paid_for(passages))

    def _paid_for(self, passages: Sequence[Passage]) -> list[str]:
        keys = [self._vector_key(embedded_text(passage)) for passage in passages] if self.keeps_vectors else []
        if self.extractor is not None:
            keys += [_metadata_key(self.extractor, passage) for passage in passages]
        return keys

    async def _embed_all(self, passages: Sequence[Passage], patiently: Patiently, told: Told) -> list[Vector]:
        async def some(start: int) -> list[Vector]:
            async with self.embed_slots:
                vectors = await self._embed(passages[start : start + self.batch], patiently)
            told("embed", len(vectors))
            return vectors

        async with asyncio.TaskGroup() as tasks:
            made = [tasks.create_task(some(start)) for start in range(0, len(passages), self.batch)]
        return [vector for task in made for vector in task.result()]

    async def _embed(self, passages: Sequence[Passage], patiently: Patiently) -> list[Vector]:
        texts = [embedded_text(passage) for passage in passages]
        made = self._kept_vectors if self.keeps_vectors else self._vectors
        by_text = await made(list(dict.fromkeys(texts)), patiently)
        return [by_text[text] for text in texts]

    async def _vectors(self, texts: Sequence[str], patiently: Patiently) -> dict[str, Vector]:
        return dict(zip(texts, await patiently(lambda: self.embedder.embed(texts)), strict=True))

    async def _kept_vectors(self, texts: Sequence[str], patiently: Patiently) -> dict[str, Vector]:
        keys = {text: self._vector_key(text) for text in texts}
        known = await patiently(lambda: self.paid.load(list(keys.values())))
        vectors = {text: vector for text, key in keys.items() if key in known and (vector := unpack(known[key]))}
        if missing := [text for text in texts if text not in vectors]:
            made = await self._vectors(missing, patiently)
            await patiently(lambda: self.paid.save({keys[text]: pack(vector) for text, vector in made.items()}))
            vectors |= made
        return vectors

    async def _describe_all(self, passages: Sequence[Passage], patiently: Patiently, told: Told) -> Sequence[Passage]:
        extractor = self.extractor
        if extractor is None:
            return passages

        async def one(passage: Passage) -> Passage:
            async with self.extract_slots:
                metadata = await self._describe(extractor, passage, patiently)
            told("metadata", 1)
            return replace(passage, metadata={**metadata, **passage.metadata})

        async with asyncio.TaskGroup() as tasks:
            made = [tasks.create_task(one(passage)) for passage in passages]
        return [task.result() for task in made]

    async def _describe(self, extractor: Extractor, passage: Passage, patiently: Patiently) -> Metadata:
        key = _metadata_key(extractor, passage)
        kept = (await patiently(lambda: self.paid.load([key]))).get(key)
        if kept is not None:
            return {
                name: tuple(value) if isinstance(value, list) else value for name, value in orjson.loads(kept).items()
            }
        metadata = await patiently(lambda: extractor.extract(passage))
        await patiently(lambda: self.paid.save({key: orjson.dumps(metadata)}))
        return metadata

    def _vector_key(self, text: str) -> str:
        return _key("vector", self.embedder.name, text)


def _metadata_key(extractor: Extractor, passage: Passage) -> str:
    return _key("metadata", extractor.name, passage.title, passage.text)


def _key(*parts: str) -> str:
    """Of all that a result is made from."""
    return hashlib.blake2b(orjson.dumps(parts), digest_size=16).hexdigest()
