"""How much is logged when something goes wrong for everybody at once.

An outage of an upstream fails each question in the same words; a disk that is full of them fails next. Warnings and
errors of one kind are told `lines` times in `per_s` seconds; the next one after that says how many were left out.
"""

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

LINES: Final = 10
PER_S: Final = 60.0
_KINDS: Final = 1_000


@dataclass(slots=True)
class _Window:
    began: float
    told: int = 0
    left_out: int = 0


class Volume:
    """Safe for threads."""

    def __init__(
        self, lines: int = LINES, per_s: float = PER_S, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._lines = lines
        self._per_s = per_s
        self._clock = clock
        self._windows: dict[Hashable, _Window] = {}
        self._lock = threading.Lock()

    def admit(self, kind: Hashable) -> int | None:
        """None for a line that is to be left out; else how many of this kind were left out since the last one."""
        with self._lock:
            now, window = self._clock(), self._windows.get(kind)
            left_out = 0
            if window is None or now >= window.began + self._per_s:
                left_out = window.left_out if window is not None else 0
                self._windows.pop(kind, None)
                while len(self._windows) >= _KINDS:  # the oldest window
                    del self._windows[next(iter(self._windows))]
                window = self._windows[kind] = _Window(now)
            if window.told >= self._lines:
                window.left_out += 1
                return None
            window.told += 1
            return left_out
