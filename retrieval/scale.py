"""What a cosine says, for each embedder. Pure.

Embedders fill their spaces differently: 0.5 is near in one and nothing in another. A scale maps cosines to shares, so
that fusion adds the same kind of number whatever the embedder. The reference was found by recall (`retrieval.fusion`);
for another embedder two means are measured over questions without looking at what answers them, `background` (the
cosine of a question with any passage) and `best` (with its first hit), and they get the reference's shares.
`python -m benchmarks.calibrate` prints them.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class CosineScale:
    """share = clip((cosine - floor) / span, 0, 1)."""

    floor: float
    span: float

    def share(self, cosine: float) -> float:
        return min(1.0, max(0.0, (cosine - self.floor) / self.span))


REFERENCE: Final = CosineScale(floor=0.1, span=0.7)
"""Of the default embedder, whose background is 0.074 and whose best is 0.583."""
_BACKGROUND_SHARE, _BEST_SHARE = -0.037, 0.690

SCALES: Final = {
    "wordllama-l2-supercat-256": REFERENCE,
    "all-minilm-l6-v2-int8": CosineScale(floor=0.09, span=0.76),  # background 0.061, best 0.613
}


def measured(background: float, best: float) -> CosineScale:
    """The scale on which these have the reference's shares. Raises ValueError unless `best` is above `background`."""
    if not best > background:
        raise ValueError("the best hit is no nearer than any passage")
    span = (best - background) / (_BEST_SHARE - _BACKGROUND_SHARE)
    return CosineScale(background - _BACKGROUND_SHARE * span, span)


def scale_of(embedder: str) -> CosineScale:
    """By the embedder's name; the reference's for one that was not measured."""
    return SCALES.get(embedder, REFERENCE)
