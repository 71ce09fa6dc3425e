"""A walk over the links of a pool. Pure.

It is PageRank's (Page, Brin, Motwani and Winograd, 1999), which starts again not anywhere but where one is sure
(Haveliwala, 2002).
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")

_STEPS, _RESTART = 12, 0.5


def walked(strength: Mapping[T, float], ways: Mapping[tuple[T, T], float]) -> dict[T, float]:
    """How often a walk comes by, the best having 1. It goes over the weighted ways in both directions, and at every
    other step starts again, at each place by the share of its `strength`; nothing when nowhere has any."""
    total = sum(strength.values())
    if not total:
        return {}
    restart = {place: share / total for place, share in strength.items()}
    around: defaultdict[T, dict[T, float]] = defaultdict(dict)
    for (source, target), weight in ways.items():
        for one, other in ((source, target), (target, source)):
            around[one][other] = max(around[one].get(other, 0.0), weight)
    flow = {
        place: [(other, (1 - _RESTART) * weight / total) for other, weight in near.items()]
        for place, near in around.items()
        if (total := sum(near.values()))
    }
    visits: Mapping[T, float] = restart
    for _ in range(_STEPS):
        following = defaultdict(float, {place: _RESTART * share for place, share in restart.items()})
        for place, near in flow.items():
            for other, part in near:
                following[other] += visits.get(place, 0.0) * part
        visits = following
    best = max(visits.values())
    return {place: share / best for place, share in visits.items()}
