"""After an ingest: what the cosines of a server's embedder say, measured on what is there.

`retrieval.scale` says how. Once per embedder, over as many passages as there are up to `ENOUGH`; until there are
`FEWEST` the default embedder's scale stands in.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from chatserver.models.calibration import own_question
from retrieval.chunking import embedded_text
from retrieval.errors import RetrievalError
from retrieval.ports import Embedder
from retrieval.scale import REFERENCE, CosineScale, Measured, ScaleStore, alike, means, means_over, scale_of
from retrieval.types import Passage, Space, Vector

log = structlog.get_logger(__name__)

FEWEST: Final = 8
ENOUGH: Final = 64


class Passages(Protocol):
    """Of `retrieval.ports.DocumentStore`, what is needed here."""

    async def sample(self, size: int, *, namespace: str = "") -> list[Passage]: ...


class Vectors(Protocol):
    """Of `retrieval.ports.VectorStore`, what is needed here."""

    async def fetch(self, passages: Sequence[str], *, namespace: str = "") -> Mapping[str, Vector]: ...


@dataclass(frozen=True, slots=True)
class Scaling:
    """`default` makes the embedder that is compared with."""

    embedder: Embedder
    documents: Passages
    vectors: Vectors
    store: ScaleStore
    default: Callable[[], AbstractAsyncContextManager[Embedder]]

    async def scale(self) -> CosineScale:
        """An `AskScale`."""
        if self.embedder.name in means():
            return scale_of(self.embedder.name)
        try:
            kept = await self.store.get(self._space)
        except RetrievalError as error:
            log.warning("scale of cosines not read", code=error.code)
            return REFERENCE
        return kept.scale if kept else REFERENCE

    async def settle(self, namespace: str) -> None:
        """Measures if that is due. It must not cost an ingest: what fails is logged, and the scale stays."""
        if self.embedder.name in means():
            return
        try:
            await self._settle(namespace)
        except RetrievalError as error:
            log.warning("scale of cosines not measured", code=error.code)
        except ValueError:
            log.warning("scale of cosines not measured", code="nothing_told_apart", embedder=self.embedder.name)

    async def _settle(self, namespace: str) -> None:
        kept = await self.store.get(self._space)
        if kept and kept.questions >= ENOUGH:
            return
        asked = await self._asked(namespace)
        if len(asked) < FEWEST or (kept and len(asked) <= kept.questions):
            return
        questions, texts, vectors = zip(*asked, strict=True)
        own = await asyncio.to_thread(means_over, await self.embedder.embed(questions), vectors)
        async with self.default() as default:
            made = await default.embed([*questions, *texts])
        scale = alike(own, await asyncio.to_thread(means_over, made[: len(asked)], made[len(asked) :]))
        await self.store.put(self._space, Measured(scale, len(asked)))
        log.info("scale of cosines measured", embedder=self.embedder.name, floor=scale.floor, span=scale.span)

    async def _asked(self, namespace: str) -> list[tuple[str, str, Vector]]:
        """Questions, the texts of the passages that they are made of, and these passages' vectors."""
        passages = await self.documents.sample(ENOUGH, namespace=namespace)
        vectors = await self.vectors.fetch([passage.id for passage in passages], namespace=namespace)
        return [
            (question, embedded_text(passage), vectors[passage.id])
            for passage in passages
            if passage.id in vectors and (question := own_question(passage))
        ]

    @property
    def _space(self) -> Space:
        return Space(self.embedder.name, self.embedder.dimension)
