"""The names that one may have meant. Pure."""

from collections.abc import Iterable
from difflib import SequenceMatcher
from heapq import nlargest

from graph.names import fold_name

_SIMILAR = 0.5
_COMPARED = 2_000
"""Names that are compared letter by letter."""
_LONGEST = 200


def nearest_names(name: str, known: Iterable[str], *, limit: int = 5) -> list[str]:
    """Of the `known` entity ids those most like this name, the likeliest first: similar in writing, or with words in
    common. Ties are in alphabetical order."""
    wanted = fold_name(name[:_LONGEST])
    if not wanted:
        return []
    near = nlargest(_COMPARED, ((_common(wanted, other), other) for other in known), key=lambda pair: pair[0])
    scored = [(_likeness(wanted, other), other) for common, other in near if common]
    return [other for score, other in sorted(scored, key=lambda pair: (-pair[0], pair[1])) if score >= _SIMILAR][:limit]


def _common(wanted: str, other: str) -> int:
    """Cheap: words in common, and the beginning."""
    shared = len(set(wanted.split()) & set(other.split()))
    return 4 * shared + 2 * (other[:2] == wanted[:2]) + bool(set(_pairs(wanted)) & set(_pairs(other)))


def _likeness(wanted: str, other: str) -> float:
    """From 0 to 1: how alike in writing, or a little less than how much of the other name's words are asked for."""
    asked, named = set(wanted.split()), set(other.split())
    return max(
        SequenceMatcher(None, wanted, other, autojunk=False).ratio(),
        0.9 * len(asked & named) / max(1, min(len(asked), len(named))),
    )


def _pairs(text: str) -> list[str]:
    return [text[at : at + 2] for at in range(len(text) - 1)]
