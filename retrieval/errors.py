"""What can go wrong in retrieval.

RetrievalError
├── Temporary      trying again may help; `retry_after_s` when the upstream said so
│   └── NoLegAnswered
├── Permanent      it won't
│   └── InvalidText, InvalidFilter, DimensionMismatch, EmbedderChanged, KeyRejected, IndexMissing, DatabaseMissing
`code` is stable and fit for users; the message is for logs.
"""

from collections.abc import Sequence

from retrieval.types import LegReport, Space


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


class EmbedderChanged(Permanent):
    """The stored vectors are of another space than those that are asked for or given."""

    code = "embedder_changed"

    def __init__(self, stored: Space, given: Space, *, remedy: str = "`chatserver reembed` makes them anew") -> None:
        super().__init__(
            f"the stored vectors are of {stored}, the configured embedder is {given}: {remedy}, or set "
            "CHATSERVER_EMBEDDER back"
        )
        self.stored, self.given = stored, given
