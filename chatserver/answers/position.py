"""Where a reader stands in an answer's log, and what a resume from there gives.

A position is epoch + seq. Sequence numbers have no holes; the epoch changes when a log was lost or rolled back, so
that a reader whose place no longer exists is told so instead of being given a silent gap.
"""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last entry that a reader has of an answer; `seq` -1 means none yet."""

    answer: str
    epoch: str
    seq: int


class Verdict(StrEnum):
    RESUMED = "resumed"
    """The stream goes on right after the cursor."""
    SNAPSHOT = "snapshot"
    """The stream begins at the start: the reader drops what it has of this answer."""
    GONE = "gone"
    """There is no such answer for this reader."""


def resume_point(cursor: Cursor | None, epoch: str, head: int) -> tuple[Verdict, int]:
    """The verdict and the first seq to send, for a log of `head` entries (the last has seq head - 1).

    A cursor of another epoch, or ahead of the head, points at entries that this log does not have.
    """
    if cursor is None or cursor.epoch != epoch or not -1 <= cursor.seq < head:
        return Verdict.SNAPSHOT, 0
    return Verdict.RESUMED, cursor.seq + 1
