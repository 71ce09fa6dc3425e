"""An OpenTelemetry collector: a real HTTP server that speaks OTLP and keeps what it is sent."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.eventually import eventually


@dataclass(frozen=True, slots=True)
class Seen:
    """A span as it was received. Times are seconds since the Unix epoch."""

    trace: str
    id: str
    parent: str
    name: str
    began: float
    ended: float
    error: str
    attributes: dict[str, str]


@dataclass
class Collector:
    url: str = ""
    spans: list[Seen] = field(default_factory=list)

    def of(self, answer: str) -> list[Seen]:
        """One trace, in the order in which its spans began."""
        return sorted((span for span in list(self.spans) if span.trace == answer), key=lambda span: span.began)

    async def trace(self, answer: str, *names: str) -> dict[str, Seen]:
        """The trace by names, once all of these are there."""
        await eventually(lambda: set(names) <= {span.name for span in self.of(answer)}, within_s=60.0)
        return {span.name: span for span in self.of(answer)}

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.append(
                        Seen(
                            span.trace_id.hex(),
                            span.span_id.hex(),
                            span.parent_span_id.hex(),
                            span.name,
                            span.start_time_unix_nano / 1e9,
                            span.end_time_unix_nano / 1e9,
                            span.status.message,
                            {
                                pair.key: str(getattr(pair.value, pair.value.WhichOneof("value")))
                                for pair in span.attributes
                            },
                        )
                    )


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collector.take(gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *arguments: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    collector.url = f"http://127.0.0.1:{server.server_address[1]}/v1/traces"
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        serving.join()
