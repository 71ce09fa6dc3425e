"""How much of a context a prompt has room for, in tokens. Pure but for the counter given."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

CountTokens: TypeAlias = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Budget:
    """Tokens for the sources and facts, and for the chat's earlier turns. The instructions and the question come on
    top: they are always sent."""

    context_tokens: int
    history_tokens: int
    count: CountTokens


def fitting(texts: Sequence[str], limit: int, count: CountTokens) -> int:
    """How many of these texts, from the first on, have at most `limit` tokens together."""
    # No token is shorter than a byte, but for the one that begins a text: within the limit in bytes it is not counted.
    if sum(len(text.encode()) + 1 for text in texts) <= limit:
        return len(texts)
    total = 0
    for kept, text in enumerate(texts):
        total += count(text)
        if total > limit:
            return kept
    return len(texts)
