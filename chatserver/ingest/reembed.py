"""Vectors of all passages made anew, by another embedder. What there is serves until the new ones are complete."""

from typing import Final

from chatserver.ingest.report import Progress, no_progress
from retrieval.chunking import embedded_text
from retrieval.ports import DocumentStore, Embedder, VectorStaging
from retrieval.types import Serving

_SLICE: Final = 128  # passages between two points that an interrupted run goes on from


async def reembed(
    staging: VectorStaging,
    documents: DocumentStore,
    embedder: Embedder,
    *,
    progress: Progress = no_progress,
) -> int:
    """How many vectors were replaced; 0 when they are of this embedder already. Takes up where an earlier run was cut
    off. Raises `RetrievalError`; what is done is kept."""
    replaced = 0
    while not await staging.is_current():  # another run may have been quicker
        done, replaced = await staging.counts()
        progress("embed", done, replaced)
        if some := await staging.missing(_SLICE):
            await _stage(staging, documents, embedder, some)
        else:
            await staging.switch()
    return replaced


async def _stage(staging: VectorStaging, documents: DocumentStore, embedder: Embedder, some: list[Serving]) -> None:
    passages = await documents.passages([one.passage for one in some], namespace=some[0].namespace)
    vectors = await embedder.embed([embedded_text(passage) for passage in passages])
    made = {passage.id: vector for passage, vector in zip(passages, vectors, strict=True)}
    await staging.stage([(one, made.get(one.passage)) for one in some])
