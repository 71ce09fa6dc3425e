"""What a cosine says, for each embedder. Pure, but for reading what was measured, and the port.

Embedders fill their spaces differently: 0.5 is near in one and nothing in another. A scale maps cosines to shares, so
that fusion adds the same kind of number whatever the embedder. The reference, of the default embedder, was found by
recall (`retrieval.fusion`). For any embedder two means are measured over questions without looking at what answers
them, `background` (the cosine of a question with any passage) and `best` (with its first hit); its scale gives them
the shares that the reference gives the default embedder's. `python -m benchmarks.calibrate DIR… --embedder NAME --out
retrieval/scales.json` measures them and writes the file that is read here.

An embedder that is not in the file, a server's, is measured on what it is used for: over some questions and the
passages that they are made of, for it and for the default embedder (`alike`). As its cosines of all pairs are, so is
its share of them.
"""

import json
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from operator import mul
from typing import Final, Protocol, TypeAlias, TypedDict

from retrieval.types import Space, Vector


@dataclass(frozen=True, slots=True)
class CosineScale:
    """share = clip((cosine - floor) / span, 0, 1)."""

    floor: float
    span: float

    def share(self, cosine: float) -> float:
        return min(1.0, max(0.0, (cosine - self.floor) / self.span))

    def as_default(self, cosine: float) -> float:
        """The default embedder's cosine of the same share: what limits that were found with that one are held to."""
        if self == REFERENCE:
            return cosine
        return REFERENCE.floor + REFERENCE.span * (cosine - self.floor) / self.span


AskScale: TypeAlias = Callable[[], Awaitable[CosineScale]]
"""Tells what cosines say now. Never fails: who does not know tells the reference."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The scale of a space, and over how many questions it was measured."""

    scale: CosineScale
    questions: int


class ScaleStore(Protocol):
    """The last that was put for each space. Both raise `RetrievalError`."""

    async def get(self, space: Space) -> Measured | None: ...

    async def put(self, space: Space, measured: Measured) -> None: ...


_APART: Final = 0.001


class Means(TypedDict):
    """Cosines of questions, on average: with any passage, and with the nearest one."""

    background: float
    best: float


DEFAULT: Final = "wordllama-l2-supercat-256"
REFERENCE: Final = CosineScale(floor=0.1, span=0.7)
"""Of the default embedder."""


async def reference() -> CosineScale:
    """Where it is the default embedder, or none."""
    return REFERENCE


def measured(background: float, best: float) -> CosineScale:
    """The scale on which these have the shares that the default embedder's have on the reference. Raises ValueError
    as `alike` does."""
    return alike({"background": background, "best": best}, means()[DEFAULT])


def alike(found: Means, default: Means) -> CosineScale:
    """The scale on which `found` has the shares that `default`, the default embedder's over the same questions and
    passages, has on the reference. Raises ValueError unless in both `best` is above `background`, by more than what
    rounding makes."""
    if not all(means["best"] > means["background"] + _APART for means in (found, default)):
        raise ValueError("the best hit is no nearer than any passage")
    low, high = ((cosine - REFERENCE.floor) / REFERENCE.span for cosine in (default["background"], default["best"]))
    span = (found["best"] - found["background"]) / (high - low)
    return CosineScale(found["background"] - low * span, span)


def means_over(questions: Sequence[Vector], passages: Sequence[Vector]) -> Means:
    """Of as many questions as passages, each made of the passage at its place, which is taken for its best. No vector
    is zero. The mean over all pairs is the product of the mean vectors."""
    asked, told = [_unit(vector) for vector in questions], [_unit(vector) for vector in passages]
    return {
        "background": _dot(_mean(asked), _mean(told)),
        "best": sum(map(_dot, asked, told)) / len(asked),
    }


def cosine(one: Vector, other: Vector) -> float:
    """Neither is zero; their lengths don't matter."""
    return _dot(one, other) / (math.hypot(*one) * math.hypot(*other))


def _unit(vector: Vector) -> list[float]:
    length = math.hypot(*vector)
    return [x / length for x in vector]


def _mean(vectors: Sequence[Sequence[float]]) -> list[float]:
    return [sum(column) / len(vectors) for column in zip(*vectors, strict=True)]


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return float(sum(map(mul, one, other)))


@cache
def means() -> dict[str, Means]:
    """Embedder -> its `background` and `best`, as measured."""
    return dict(json.loads(resources.files("retrieval").joinpath("scales.json").read_text()))


@cache
def scale_of(embedder: str) -> CosineScale:
    """By the embedder's name; the reference for one that is not in the file."""
    return measured(**means()[embedder]) if embedder in means() else REFERENCE
