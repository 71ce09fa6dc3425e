"""The two legs over the retrieval ports; the third, over the graph, is injected."""

from collections.abc import Sequence

from retrieval.ports import CountWords, Embedder, KeywordIndex, Leg, VectorStore
from retrieval.types import Frequencies, Hit, Query

DEPTH = 100
"""Hits of a leg: deep enough that a passage which one leg ranks first has its score from the other too."""


def vector_leg(embedder: Embedder, store: VectorStore) -> Leg:
    async def leg(query: Query) -> Sequence[Hit]:
        (vector,) = await embedder.embed([query.text])
        return await store.search(vector, top_k=DEPTH, namespace=query.namespace, filter=query.filter)

    return leg


def keyword_leg(index: KeywordIndex) -> Leg:
    async def leg(query: Query) -> Sequence[Hit]:
        return await index.search(query.text, top_k=DEPTH, namespace=query.namespace, filter=query.filter)

    return leg


def count_words(index: KeywordIndex) -> CountWords:
    async def count(query: Query) -> Frequencies:
        return await index.frequencies(query.text, namespace=query.namespace)

    return count
