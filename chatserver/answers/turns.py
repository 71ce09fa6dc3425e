"""Whose turn it is: waiting answers in an order that is fair between users. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence


def in_turn(waiting: Iterable[tuple[str, str]], running: Mapping[str, int] | None = None) -> list[tuple[str, str]]:
    """Waiting `(answer, user)` pairs, given oldest first: before anybody's second answer everybody's first. Those that
    a user has `running` already are turns that they had."""
    had = Counter(running or {})
    turns: list[tuple[int, tuple[str, str]]] = []
    for answer, user in waiting:
        turns.append((had[user], (answer, user)))
        had[user] += 1
    return [pair for _, pair in sorted(turns, key=lambda turn: turn[0])]  # a stable sort: within a turn by age


def startable(
    waiting: Sequence[tuple[str, str]], running: Mapping[str, int], *, each: int | None
) -> list[tuple[str, str]]:
    """Those of them that may start, in turn, when one user has `each` running at most."""
    had = Counter(running)
    started = []
    for answer, user in in_turn(waiting, running):
        if each is None or had[user] < each:
            had[user] += 1
            started.append((answer, user))
    return started
