"""An embedder whose texts all lie near each other, as those of some servers do: the default embedder's space, moved."""

import math
from collections.abc import Sequence

from retrieval.embedders.wordllama import WordLlamaEmbedder
from retrieval.types import Vector

COMMON = 0.7
"""What any two texts have in common: a cosine c of the default embedder is 0.7 + 0.3 c here."""


def crowded(vector: Vector) -> list[float]:
    return [*(math.sqrt(1 - COMMON) * x for x in vector), math.sqrt(COMMON)]


class Crowded:
    name = "crowded"
    dimension = WordLlamaEmbedder.dimension + 1

    def __init__(self) -> None:
        self._default = WordLlamaEmbedder()

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        return [crowded(vector) for vector in await self._default.embed(texts)]

    async def aclose(self) -> None:
        await self._default.aclose()
