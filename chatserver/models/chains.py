"""Which passage of a context leads to which: chains of names that start at the question. Pure.

`Who fathered the director of F?` names one document; the second is named only inside the first. So a passage counts
as opened when the question names its title, or an opened passage does, and so on.
"""

from collections.abc import Sequence

from retrieval.text import words
from retrieval.types import Passage

HOPS = 3
HOP = 0.8
"""How far a chain is followed from the question, and what each step keeps."""


def padded(text: str) -> str:
    """Folded words between spaces, so that `in` finds whole words only."""
    return f" {' '.join(words(text))} "


def short_title(title: str) -> str:
    """Without a trailing explanation in brackets: texts name things without it."""
    return title.split(" (")[0]


class Chains:
    """`named` is 1 for each passage whose title the question names, `HOP` of that for one that is named there, and so
    on, 0 for one that no chain leads to; `linked` is 1 / (1 + place) of the best passage that names it, 0 when the
    question does."""

    def __init__(self, question: str, passages: Sequence[Passage]) -> None:
        self.question = padded(question)
        self._titles = [padded(short_title(passage.title)) for passage in passages]
        texts = [padded(passage.text) for passage in passages]
        named_by = [
            [j for j, text in enumerate(texts) if self._titles[j] != title and title.strip() and title in text]
            for title in self._titles
        ]
        self.named = [float(bool(title.strip()) and title in self.question) for title in self._titles]
        for hop in range(1, HOPS + 1):
            before = list(self.named)
            for i, by in enumerate(named_by):
                if not before[i] and any(before[j] for j in by):
                    self.named[i] = HOP**hop
        self.linked = [
            0.0 if named == 1 or not by else 1 / (1 + by[0]) for named, by in zip(self.named, named_by, strict=True)
        ]

    def leads_on(self, text: str, source: int) -> bool:
        """Does this padded sentence of passage `source` name another passage that the question does not?"""
        return any(
            named < 1 and title.strip() and title != self._titles[source] and title in text
            for title, named in zip(self._titles, self.named, strict=True)
        )

    def is_new(self, text: str, source: int) -> bool:
        """Is this padded phrase in neither the question nor the title of passage `source`?"""
        return text not in self.question and text not in self._titles[source]
