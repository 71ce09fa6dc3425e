"""Logs of a server process: one event a line on standard error, JSON unless a person reads them in a terminal."""

import logging
import sys
from contextlib import suppress
from typing import TextIO, cast

import structlog

_BROKEN_OFF = "ASGI callable returned without completing response."
"""What uvicorn says of a stream that ends before its answer: on purpose, so that no client takes it for the whole."""


class _LossyStream:
    """A disk that is full is no reason to lose more than the line that tells of it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


def configure_logs(level: int = logging.INFO) -> None:
    """For the whole process; called by the edges, never by a library's import."""
    person = sys.stderr.isatty()
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if person
        else [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _LossyStream(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    # asyncio says it for each frame written between a peer's reset and the loop's next turn; the connection's end is
    # noticed by its reader.
    logging.getLogger("uvicorn.error").addFilter(lambda record: record.msg != _BROKEN_OFF)
    logging.getLogger("asyncio").addFilter(lambda record: record.msg != "socket.send() raised exception.")
