"""`Tracer` on OpenTelemetry: spans go to a collector over OTLP (HTTP), in batches, from a thread of their own.

A collector that is away costs spans and nothing else: the queue is bounded, and its loss is one line in the log.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

import structlog
from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chatserver.answers.log_context import trace_of
from chatserver.tracing.port import Span, Value

log = structlog.get_logger(__name__)

_SEND_S: Final = 1.0
"""For one batch; a server that ends waits no longer for the last one."""
_EVERY_MS: Final = 1000
_QUEUE: Final = 8192
_PREFIX: Final = "chatserver"
_W3C: Final = TraceContextTextMapPropagator()
_HEADER: Final = "traceparent"

_ids: ContextVar[tuple[int, int] | None] = ContextVar("ids", default=None)
"""Of the trace and the span that is just begun, when they are not random."""


class OtelTracer:
    """`share` of all answers are traced, the same ones in every process, and none whose caller says that its own trace
    is not. `close` blocks for up to a second or so: call it in a thread."""

    def __init__(self, exporter: SpanExporter, *, share: float = 1.0, server: str = "") -> None:
        self._provider = TracerProvider(
            sampler=_sampler(TraceIdRatioBased(share)),
            resource=Resource.create({"service.name": "chatserver", "service.instance.id": server}),
            id_generator=_Ids(),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(_Reporting(exporter), max_queue_size=_QUEUE, schedule_delay_millis=_EVERY_MS)
        )
        self._tracer = self._provider.get_tracer("chatserver")

    @classmethod
    def to(cls, url: str, *, share: float, server: str) -> "OtelTracer":
        """`url` is the collector's own door for traces, usually `http://HOST:4318/v1/traces`."""
        return cls(OTLPSpanExporter(endpoint=url, timeout=_SEND_S), share=share, server=server)

    @contextmanager
    def within(self, traceparent: str) -> Iterator[None]:
        token = contexts.attach(_called_by(traceparent))
        try:
            yield
        finally:
            contexts.detach(token)

    def caller(self) -> str:
        carrier: dict[str, str] = {}
        _W3C.inject(carrier)
        return carrier.get(_HEADER, "")

    @contextmanager
    def answer(self, answer: str, caller: str = "") -> Iterator[None]:
        token = contexts.attach(_inside(answer, caller))
        try:
            yield
        finally:
            contexts.detach(token)

    @contextmanager
    def span(self, name: str, **attributes: Value) -> Iterator[Span]:
        span = self._tracer.start_span(name, attributes=_named(attributes))
        token = contexts.attach(trace.set_span_in_context(span))
        told, error = _Told(span), ""
        try:
            yield told
        except BaseException as failure:
            error = getattr(failure, "code", type(failure).__name__)
            raise
        finally:
            contexts.detach(token)
            told.end(error)

    def begin(self, name: str, answer: str = "", *, caller: str = "", first: bool = False, **attributes: Value) -> Span:
        if not first:
            around = _inside(answer, caller) if answer else None
            return _Told(self._tracer.start_span(name, context=around, attributes=_named(attributes)))
        token = _ids.set(_ids_of(answer))
        try:
            around = _called_by(caller)
            return _Told(self._tracer.start_span(name, context=around, attributes=_named(attributes)))
        finally:
            _ids.reset(token)

    def close(self) -> None:
        self._provider.shutdown()


class _Told:
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def note(self, **attributes: Value) -> None:
        self._span.set_attributes(_named(attributes))

    def end(self, error: str = "") -> None:
        if error:
            self._span.set_status(trace.StatusCode.ERROR, error)
        self._span.end()


class _Ids(IdGenerator):
    """Random ones, but for what `_ids` holds."""

    def __init__(self) -> None:
        self._random = RandomIdGenerator()

    def generate_trace_id(self) -> int:
        ids = _ids.get()
        return self._random.generate_trace_id() if ids is None else ids[0]

    def generate_span_id(self) -> int:
        ids = _ids.get()
        return self._random.generate_span_id() if ids is None else ids[1]


class _Reporting(SpanExporter):
    """Tells the log once that spans are lost, and once that they are not any more."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._lost = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        lost = result is not SpanExportResult.SUCCESS
        if lost and not self._lost:
            log.warning("traces are not taken")
        elif self._lost and not lost:
            log.info("traces are taken again")
        self._lost = lost
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _sampler(share: TraceIdRatioBased) -> ParentBased:
    """A caller that does not trace is not traced; one that does has no more than its share."""
    return ParentBased(
        share, remote_parent_sampled=share, remote_parent_not_sampled=ALWAYS_OFF, local_parent_sampled=share
    )


def _called_by(traceparent: str) -> contexts.Context:
    """Nothing but the caller's span, if the header names one."""
    return _W3C.extract({_HEADER: traceparent}, contexts.Context())


def _inside(answer: str, caller: str) -> contexts.Context:
    """Nothing but the answer's first span, which is another process's."""
    trace_id, first = _ids_of(answer)
    flags = trace.TraceFlags(trace.TraceFlags.SAMPLED)
    called_by = trace.get_current_span(_called_by(caller)).get_span_context()
    if called_by.is_valid:
        trace_id, flags = called_by.trace_id, called_by.trace_flags
    parent = trace.SpanContext(trace_id, first, is_remote=True, trace_flags=flags)
    return trace.set_span_in_context(trace.NonRecordingSpan(parent), contexts.Context())


def _ids_of(answer: str) -> tuple[int, int]:
    """Of an answer's own trace and its first span."""
    return int(trace_of(answer), 16), int(hashlib.sha256(answer.encode()).hexdigest()[-16:], 16) or 1


def _named(attributes: dict[str, Value]) -> dict[str, Value]:
    return {f"{_PREFIX}.{name}": value for name, value in attributes.items()}
