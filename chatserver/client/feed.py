"""Where a reader stands in one answer. Pure.

Theory of operation
    Entries of one epoch are numbered 0, 1, 2, … without holes. The feed lets through exactly the next one; what it
    has already let through is a duplicate; anything else is a gap, and the only cure for a gap is to resume from the
    cursor. A new epoch (or a log that does not have our place) begins again at 0: the first entry after that is
    marked, so that the reader drops what it has shown instead of splicing two tellings.
"""

from enum import Enum, auto

from chatserver.client.events import Cursor, Told


class Step(Enum):
    NEXT = auto()
    """The next entry: show it."""
    RESTART = auto()
    """The first entry of a new telling: drop what was shown, then show it."""
    DUPLICATE = auto()
    GAP = auto()
    """Not what comes next: resume from the cursor."""


class Feed:
    def __init__(self, cursor: Cursor | None = None) -> None:
        self.epoch = cursor.epoch if cursor else ""
        self.next = cursor.seq + 1 if cursor else 0
        self.sealed = False
        self._restarting = False

    def begin(self, epoch: str) -> None:
        """The server has accepted the question into the log of this epoch."""
        if epoch != self.epoch:
            self._start_again(epoch)

    def snapshot(self, epoch: str, head: int) -> None:
        """The server tells the log of `head` entries from its start. When it is our log and has our place, that only
        brings duplicates."""
        if not self.sealed and not (epoch == self.epoch and self.next <= head):
            self._start_again(epoch)

    def take(self, told: Told) -> Step:
        if self.sealed or (told.epoch == self.epoch and told.seq < self.next):
            return Step.DUPLICATE
        if told.epoch != self.epoch or told.seq > self.next:
            return Step.GAP
        self.next += 1
        self.sealed = told.terminal
        if not self._restarting:
            return Step.NEXT
        self._restarting = False
        return Step.RESTART

    def cursor(self, answer: str) -> Cursor:
        return Cursor(answer, self.epoch, self.next - 1)

    def _start_again(self, epoch: str) -> None:
        self._restarting = self._restarting or self.next > 0
        self.epoch = epoch
        self.next = 0
