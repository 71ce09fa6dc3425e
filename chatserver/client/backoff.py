"""When to come back after a connection ended. Pure.

The wait is full jitter (Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015): uniform over
[0, min(cap, base 2^attempt)], so that clients that were cut together don't come back together.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final


@dataclass(frozen=True, slots=True)
class Backoff:
    base_s: float = 0.25
    cap_s: float = 15.0
    give_up_after_s: float | None = None
    """Time without a server after which waiting answers fail with `Unreachable`; None waits for ever."""

    def delay(self, attempt: int, random: Callable[[], float]) -> float:
        """Seconds before attempt 0, 1, 2, …; `random` is uniform over [0, 1)."""
        # min() of the exponent: 2.0 ** 1024 overflows, and a client may wait for days.
        return random() * min(self.cap_s, self.base_s * 2.0 ** min(attempt, 64))


class Reaction(Enum):
    END = auto()
    GIVE_UP = auto()
    AUTHENTICATE = auto()
    RECONNECT = auto()
    RECONNECT_LATER = auto()


LATER_ATTEMPT: Final = 4
"""`RECONNECT_LATER` starts as if this many attempts had failed: up to 4 s with the defaults."""

_REACTIONS: Final = {
    1000: Reaction.END,
    1001: Reaction.END,
    1008: Reaction.GIVE_UP,
    1013: Reaction.RECONNECT_LATER,
    4401: Reaction.AUTHENTICATE,
    4403: Reaction.GIVE_UP,
    4429: Reaction.RECONNECT_LATER,
}


def reaction(close_code: int) -> Reaction:
    """What a close code asks of the client. 1006 (no close frame), 1011, 1012 (restart), 4408 (too slow) and what is
    not known: reconnect and resume."""
    return _REACTIONS.get(close_code, Reaction.RECONNECT)
