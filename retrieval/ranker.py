"""The trained order of a pool. Pure, but for reading the weights.

Theory of operation
    Two passes. The first is a dot product of features and weights, those of a conditional logistic regression
    (McFadden, 1974): the probability that a candidate is the one wanted, among the candidates of its question, is
    exp(w . x) / sum of exp(w . x'). It knows a passage by how it matches the question and by the passages beside it
    that match. The third passage of a chain has neither: what leads to it is the second, of which only the first
    pass could tell that it belongs. So a walk over the links of the pool starts again where the first pass is sure,
    and how often it comes by a candidate, times the weight `walk`, is added to that candidate's w . x.

`benchmarks.train_ranker` writes the weights.
"""

import json
import math
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Final, cast

from retrieval.features import NAMES, features
from retrieval.pool import Pool
from retrieval.scale import DEFAULT
from retrieval.walk import walked

WALK: Final = "walk"
FILES: Final = {DEFAULT: "ranker.json", "all-minilm-l6-v2-int8": "ranker_minilm.json"}


class Ranker:
    """`weights` by feature name, and that of the walk. Raises ValueError for a feature that there is not."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        if unknown := weights.keys() - {*NAMES, WALK}:
            raise ValueError(f"unknown features {sorted(unknown)}")
        self._weights = dict(weights)
        self._walk = self._weights.pop(WALK, 0.0)

    def rank(self, pool: Pool) -> dict[str, float]:
        """The candidates' ids with their probabilities, best first, ties by id."""
        found = features(pool)
        logits = {id: sum(self._weights.get(name, 0.0) * own[name] for name in own) for id, own in found.items()}
        visits = walked(_shares(logits), pool.ways) if self._walk else {}
        shares = _shares({id: logit + self._walk * visits.get(id, 0.0) for id, logit in logits.items()})
        return {id: shares[id] for id in sorted(shares, key=lambda id: (-shares[id], id))}


def _shares(logits: Mapping[str, float]) -> dict[str, float]:
    """Softmax."""
    highest = max(logits.values(), default=0.0)
    odds = {id: math.exp(logit - highest) for id, logit in logits.items()}
    total = sum(odds.values())
    return {id: share / total for id, share in odds.items()}


def shipped(embedder: str = DEFAULT) -> dict[str, Any]:
    """The file that comes with the package for an embedder by its name, that of the default one for any other:
    `weights`, the `embedder` they were trained with, and `trained_on`, how many questions of which sets."""
    text = resources.files("retrieval").joinpath(FILES.get(embedder, FILES[DEFAULT])).read_text()
    return cast("dict[str, Any]", json.loads(text))


@cache
def trained(embedder: str = DEFAULT) -> Ranker:
    """With these weights."""
    return Ranker(shipped(embedder)["weights"])
