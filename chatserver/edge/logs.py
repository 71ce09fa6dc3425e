"""Logs of a server process: one event a line on standard error, JSON unless a person reads them in a terminal.

A line that has to do with an answer names it, its chat and its trace. Warnings and errors are bounded, see
`log_volume`. The text of a question is in none, unless the operator asks for it: where an upstream repeats it, it is
taken out.
"""

import json
import logging
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from typing import Any, Final, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from chatserver.answers.log_context import question_of_task, trace_of
from chatserver.edge.log_volume import Volume

_BROKEN_OFF: Final = "ASGI callable returned without completing response."
"""What uvicorn says of a stream that ends before its answer: on purpose, so that no client takes it for the whole."""
_SOCKET_GONE: Final = "socket.send() raised exception."
"""asyncio says it for each frame written between a peer's reset and the loop's next turn; the connection's end is
noticed by its reader."""
_SHORTEST: Final = 8
"""Characters of a question that is looked for in a line: a shorter one is in too many words."""
_TRACEBACKS: Final = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)  # which hold keys, questions and documents
)
_BOUNDED: Final = frozenset({"warning", "error", "critical", "exception"})


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


def configure_logs(level: int = logging.INFO, *, questions: bool = False) -> None:
    """For the whole process, other libraries' loggers too; called by the edges, never by a library's import.
    `questions`: lines of an answer hold the text of its question."""
    stream = cast(TextIO, _LossyStream(sys.stderr))
    volume = Volume()
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _with_trace,
    ]
    told = _with_question if questions else _without_question
    person: list[Processor] = [structlog.processors.format_exc_info, told, structlog.dev.ConsoleRenderer()]
    program: list[Processor] = [_TRACEBACKS, told, structlog.processors.JSONRenderer()]
    last = person if sys.stderr.isatty() else program
    structlog.configure(
        processors=[_bounded_by(volume), *shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.addFilter(_BoundedRecords(volume))
    formatter = structlog.stdlib.ProcessorFormatter
    handler.setFormatter(formatter(foreign_pre_chain=shared, processors=[formatter.remove_processors_meta, *last]))
    logging.getLogger().handlers = [handler]


def _bounded_by(volume: Volume) -> Processor:
    def bounded(_: WrappedLogger, method: str, event: EventDict) -> EventDict:
        if method not in _BOUNDED:
            return event
        left_out = volume.admit((event["event"], event.get("upstream"), event.get("code")))
        if left_out is None:
            raise structlog.DropEvent
        return {**event, "left_out": left_out} if left_out else event

    return bounded


class _BoundedRecords(logging.Filter):
    """The same for what comes from `logging`."""

    def __init__(self, volume: Volume) -> None:
        super().__init__()
        self._volume = volume

    def filter(self, record: logging.LogRecord) -> bool:
        if record.msg in (_BROKEN_OFF, _SOCKET_GONE):
            return False
        return record.levelno < logging.WARNING or self._volume.admit((record.name, str(record.msg))) is not None


def _with_trace(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    if "answer" in event:
        event.setdefault("trace", trace_of(str(event["answer"])))
    return event


def _with_question(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    if question := question_of_task():
        event["question"] = question
    return event


def _without_question(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    question = question_of_task()
    if len(question) < _SHORTEST:
        return event
    escaped = json.dumps(question)[1:-1]
    forms = (question, escaped, json.dumps(escaped)[1:-1], json.dumps(question, ensure_ascii=False)[1:-1])
    return cast(MutableMapping[str, Any], _cleaned(event, forms))


def _cleaned(value: Any, forms: tuple[str, ...]) -> Any:
    match value:
        case str():
            for form in forms:
                value = value.replace(form, "[question]")
            return value
        case Mapping():
            return {name: _cleaned(part, forms) for name, part in value.items()}
        case list() | tuple():
            return [_cleaned(part, forms) for part in value]
    return value
