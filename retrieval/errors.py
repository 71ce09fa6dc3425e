"""What can go wrong in retrieval.

RetrievalError
├── Temporary      trying again may help; `retry_after_s` when the upstream said so
│   └── NoLegAnswered
├── Permanent      it won't
│   └── InvalidText, InvalidFilter, DimensionMismatch, KeyRejected, IndexMissing, DatabaseMissing
`code` is stable and fit for users; the message is for logs.
"""

from collections.abc import Sequence

from retrieval.types import LegReport


class RetrievalError(Exception):
    code = "retrieval_failed"


class Temporary(RetrievalError):
    code = "upstream_unavailable"

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NoLegAnswered(Temporary):
    """Every leg of a retrieval failed or was late; `legs` tells how each ended."""

    code = "retrieval_unavailable"

    def __init__(self, legs: Sequence[LegReport]) -> None:
        super().__init__(", ".join(f"{leg.leg} {leg.state} {leg.code}" for leg in legs))
        self.legs = tuple(legs)


class Permanent(RetrievalError):
    code = "upstream_rejected"


class InvalidText(Permanent):
    code = "invalid_text"


class InvalidFilter(Permanent):
    code = "invalid_filter"


class DimensionMismatch(Permanent):
    code = "dimension_mismatch"


class KeyRejected(Permanent):
    code = "upstream_unauthorized"


class IndexMissing(Permanent):
    code = "index_missing"


class DatabaseMissing(Permanent):
    code = "no_such_database"
