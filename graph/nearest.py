"""The names that one may have meant. Pure."""

from collections.abc import Iterable
from difflib import SequenceMatcher
from heapq import nlargest

from graph.names import fold_name

_SIMILAR = 0.5
_COMPARED = 300
"""Names that are compared letter by letter: of a hundred thousand the others cost a tenth of a second together."""
_LONGEST = 80
_BEGINNING, _END = 2, 3


def nearest_names(name: str, known: Iterable[str], *, limit: int = 5) -> list[str]:
    """Of the `known` entity ids those most like this name, the likeliest first: similar in writing, or with words in
    common. Ties are in alphabetical order."""
    wanted = fold_name(name[:_LONGEST])
    if not wanted:
        return []
    words = frozenset(wanted.split())
    starts = tuple(word[:_BEGINNING] for word in words)

    def common(other: str) -> int:
        """Words in common, and the beginning and end."""
        return (
            4 * len(words.intersection(other.split())) + 2 * other.startswith(starts) + other.endswith(wanted[-_END:])
        )

    near = nlargest(_COMPARED, ((common(other), other) for other in known))
    scored = [(_likeness(wanted, other), other) for shared, other in near if shared]
    return [other for score, other in sorted(scored, key=lambda pair: (-pair[0], pair[1])) if score >= _SIMILAR][:limit]


def _likeness(wanted: str, other: str) -> float:
    """From 0 to 1: how alike in writing, or a little less than how much of the other name's words are asked for."""
    asked, named = set(wanted.split()), set(other.split())
    return max(
        SequenceMatcher(None, wanted, other, autojunk=False).ratio(),
        0.9 * len(asked & named) / max(1, min(len(asked), len(named))),
    )
