"""The trained order of a pool: a dot product of features and weights. Pure, but for reading the weights.

The weights are those of a conditional logistic regression (McFadden, 1974): the probability that a candidate is the
one wanted, among the candidates of its question, is exp(w . x) / sum of exp(w . x'). `benchmarks.train_ranker`
writes them.
"""

import json
import math
from collections.abc import Mapping
from functools import cache
from importlib import resources

from retrieval.features import NAMES, features
from retrieval.pool import Pool


class Ranker:
    """`weights` by feature name. Raises ValueError for a feature that there is not."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        if unknown := weights.keys() - set(NAMES):
            raise ValueError(f"unknown features {sorted(unknown)}")
        self._weights = dict(weights)

    def rank(self, pool: Pool) -> dict[str, float]:
        """The candidates' ids with their probabilities, best first, ties by id."""
        found = features(pool)
        logits = {id: sum(self._weights.get(name, 0.0) * own[name] for name in own) for id, own in found.items()}
        highest = max(logits.values(), default=0.0)
        shares = {id: math.exp(logit - highest) for id, logit in logits.items()}
        total = sum(shares.values())
        order = sorted(logits, key=lambda id: (-logits[id], id))
        return {id: shares[id] / total for id in order}


@cache
def trained() -> Ranker:
    """With the weights that come with the package."""
    text = resources.files("retrieval").joinpath("ranker.json").read_text()
    return Ranker(json.loads(text)["weights"])
