"""What Pinecone's refusals mean. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from retrieval.errors import DimensionMismatch, IndexMissing, KeyRejected, Permanent, RetrievalError, Temporary


def refusal(status: int, body: object, headers: Mapping[str, str]) -> RetrievalError:
    """The error for an answer of HTTP status 400 or more."""
    said = f"Pinecone answered {status}: {str(body)[:500]}"
    match status:
        case 401 | 403:
            return KeyRejected(said)
        case 404:
            return IndexMissing(said)
        case 408 | 429:
            return Temporary(said, retry_after_s=_retry_after_s(headers))
        case 400 if "dimension" in said:
            return DimensionMismatch(said)
    if status >= 500:
        return Temporary(said, retry_after_s=_retry_after_s(headers))
    return Permanent(said)


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Of the header, which holds seconds or a date; None without it."""
    value = headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
