"""What can go wrong in retrieval.

RetrievalError
├── Temporary      trying again may help; `retry_after_s` when the upstream said so
├── Permanent      it won't
│   └── InvalidText, InvalidFilter, DimensionMismatch
`code` is stable and fit for users; the message is for logs.
"""


class RetrievalError(Exception):
    code = "retrieval_failed"


class Temporary(RetrievalError):
    code = "upstream_unavailable"

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Permanent(RetrievalError):
    code = "upstream_rejected"


class InvalidText(Permanent):
    code = "invalid_text"


class InvalidFilter(Permanent):
    code = "invalid_filter"


class DimensionMismatch(Permanent):
    code = "dimension_mismatch"
