"""What a cosine says, for each embedder. Pure, but for reading what was measured.

Embedders fill their spaces differently: 0.5 is near in one and nothing in another. A scale maps cosines to shares, so
that fusion adds the same kind of number whatever the embedder. The reference, of the default embedder, was found by
recall (`retrieval.fusion`). For any embedder two means are measured over questions without looking at what answers
them, `background` (the cosine of a question with any passage) and `best` (with its first hit); its scale gives them
the shares that the reference gives the default embedder's. `python -m benchmarks.calibrate DIR… --embedder NAME --out
retrieval/scales.json` measures them and writes the file that is read here.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final, TypedDict


@dataclass(frozen=True, slots=True)
class CosineScale:
    """share = clip((cosine - floor) / span, 0, 1)."""

    floor: float
    span: float

    def share(self, cosine: float) -> float:
        return min(1.0, max(0.0, (cosine - self.floor) / self.span))


class Means(TypedDict):
    """Cosines of questions, on average: with any passage, and with the nearest one."""

    background: float
    best: float


DEFAULT: Final = "wordllama-l2-supercat-256"
REFERENCE: Final = CosineScale(floor=0.1, span=0.7)
"""Of the default embedder."""


def measured(background: float, best: float) -> CosineScale:
    """The scale on which these have the shares that the default embedder's have on the reference. Raises ValueError
    unless `best` is above `background`."""
    if not best > background:
        raise ValueError("the best hit is no nearer than any passage")
    default = means()[DEFAULT]
    low, high = ((cosine - REFERENCE.floor) / REFERENCE.span for cosine in (default["background"], default["best"]))
    span = (best - background) / (high - low)
    return CosineScale(background - low * span, span)


@cache
def means() -> dict[str, Means]:
    """Embedder -> its `background` and `best`, as measured."""
    return dict(json.loads(resources.files("retrieval").joinpath("scales.json").read_text()))


@cache
def scale_of(embedder: str) -> CosineScale:
    """By the embedder's name; the reference for one that was not measured."""
    return measured(**means()[embedder]) if embedder in means() else REFERENCE
