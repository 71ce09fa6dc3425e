"""Which sentences answer, by rule scores: for contexts that the trained selector does not know its way in. Pure.

The selector is trained on an encyclopedia, where a passage opens with what its title names and a link means a step.
In a handbook it finds nothing likely, and the question's words decide. Each sentence's features are weighed and
added; then the best are taken one by one: what the chosen have not said yet more gladly, a passage again less
gladly, and nothing far below the best. Weights were set by hand on the sample handbook and on multi-hop questions.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from chatserver.models.features import Candidate, Features, asks_for_steps, rarity_of
from retrieval.text import Language

WEIGHTS = {"lexical": 1.0, "meaning": 0.5, "position": 0.15, "leads_on": 0.4, "named": 1.5, "sort": 0.7}
RANK = 1.0
"""For the passage's place in the retrieval order, 1 / (1 + place / 4)."""
UNSAID = 0.7
"""For saying what of the question no chosen sentence says yet: its share of the question's stems, by rarity."""
AGAIN = 0.8
"""Factor for each sentence already chosen from the same passage, unless steps are asked for."""
FLOOR = 0.35
"""Share of the best score below which nothing is taken."""


def ordered(
    question: str, language: Language, among: Sequence[Candidate], rows: Sequence[Features], most: int
) -> list[Candidate]:
    """At most `most` candidates, in the order in which they are worth quoting."""
    rarity = rarity_of(question, language, among)
    scores = [_score(c, row) for c, row in zip(among, rows, strict=True)]
    return [among[i] for i in _greedy(among, scores, rarity, 1.0 if asks_for_steps(question) else AGAIN, most)]


def _score(candidate: Candidate, row: Features) -> float:
    weighed: float = sum(weight * getattr(row, name) for name, weight in WEIGHTS.items())
    return weighed + RANK / (1 + candidate.source / 4)


def _greedy(
    among: Sequence[Candidate], scores: Sequence[float], rarity: Mapping[str, float], again: float, most: int
) -> list[int]:
    left = set(range(len(among)))
    unsaid = dict(rarity)
    total = sum(rarity.values()) or 1.0
    chosen: list[int] = []
    taken: Counter[int] = Counter()
    floor = 0.0

    def worth(i: int) -> tuple[float, int]:
        new = sum(unsaid.get(stem, 0.0) for stem in {*among[i].stems, *among[i].title_stems}) / total
        return (scores[i] + UNSAID * new) * again ** taken[among[i].source], -i

    while left and len(chosen) < most:
        best = max(left, key=worth)
        value, _ = worth(best)
        if value < floor:
            break
        floor = floor or value * FLOOR
        chosen.append(best)
        taken[among[best].source] += 1
        for stem in (*among[best].stems, *among[best].title_stems):
            unsaid.pop(stem, None)
        left.remove(best)
    return chosen
