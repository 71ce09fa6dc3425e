"""An answer's life as one table: the only place that knows which state follows which.

queued ──▶ running ──▶ completed | stopped | failed      (the last three: sealed, nothing follows)
  ▲           │
  └── release ┘        (a drain hands the answer over; an expired lease is claimed straight from running)
"""

from enum import StrEnum

from chatserver.protocol.chunks import Chunk


class AnswerState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def sealed(self) -> bool:
        return self in SEALED


SEALED = frozenset({AnswerState.COMPLETED, AnswerState.STOPPED, AnswerState.FAILED})

_SEAL_BY_CHUNK = {
    "finish": AnswerState.COMPLETED,
    "abort": AnswerState.STOPPED,
    "error": AnswerState.FAILED,
}


def sealed_by(chunk: Chunk) -> AnswerState | None:
    """The state that this entry seals an answer with; None for an entry that is not terminal."""
    return _SEAL_BY_CHUNK.get(chunk["type"])
