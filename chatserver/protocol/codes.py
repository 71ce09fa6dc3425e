"""Close codes and error codes: each implies what the client should do."""

from enum import IntEnum, StrEnum


class CloseCode(IntEnum):
    DONE = 1000
    """Nothing: the conversation is over."""
    GOING_AWAY = 1001
    """Nothing: the peer left."""
    POLICY = 1008
    """Do not retry as is: the client breaks the protocol."""
    INTERNAL = 1011
    """Reconnect with backoff."""
    RESTART = 1012
    """Reconnect: another process serves you."""
    TRY_LATER = 1013
    """Reconnect later: the server is full."""
    UNAUTHENTICATED = 4401
    """Authenticate, then reconnect."""
    FORBIDDEN = 4403
    """Do not retry."""
    TOO_SLOW = 4408
    """Reconnect and resume: the log has what was not read."""
    RATE_LIMITED = 4429
    """Reconnect after the time that the error before it told."""


class ErrorCode(StrEnum):
    """`code` of `error` events and problem documents. Stable: clients compare them."""

    INVALID_JSON = "invalid_json"
    INVALID_UTF8 = "invalid_utf8"
    BINARY_FRAME = "binary_frame"
    MESSAGE_TOO_LARGE = "message_too_large"
    UNKNOWN_TYPE = "unknown_type"
    INVALID_FIELD = "invalid_field"
    EMPTY_QUESTION = "empty_question"
    QUESTION_TOO_LONG = "question_too_long"
    INVALID_FILTER = "invalid_filter"
    PROVIDER_KEY_REFUSED = "provider_key_refused"
    MODEL_NOT_FOUND = "model_not_found"
    UNKNOWN_ANSWER = "unknown_answer"
    RETOLD = "retold"
    TOO_MANY_COMMANDS = "too_many_commands"
    TOO_MANY_OFFENCES = "too_many_offences"
    DRAINING = "draining"
    OVERLOADED = "overloaded"
    RATE_LIMITED = "rate_limited"
    SPEND_EXCEEDED = "spend_exceeded"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"
    NOT_FOUND = "not_found"
    NOT_ENDED = "not_ended"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    TOO_SLOW = "too_slow"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
