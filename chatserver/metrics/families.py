"""Every metric there is, in Prometheus' own form. `docs/operations.md` tells the same, and a test compares.

Names and units follow Prometheus' conventions: seconds and bytes, `_total` for what only grows. Each label has few
values, known beforehand as far as possible, and none comes from a client: a user, a chat or an answer is never one.
"""

from collections.abc import Sequence
from typing import Any, Final, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

QUICK: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Buckets for what takes milliseconds: a commit, a leg, a turn of the loop."""
PATIENT: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 20.0, 30.0, 60.0, 120.0, 300.0)
"""Buckets for what a person waits for: an answer."""

M = TypeVar("M", Counter, Histogram)


class Families:
    """One of each. Of several processes counters and histograms add up; a gauge says how in its definition, and tells
    of living processes alone."""

    def __init__(self, registry: CollectorRegistry) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, which nobody reads

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"chatserver_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
            return Histogram(f"chatserver_{name}", text, labels, buckets=buckets, registry=registry)

        def gauge(name: str, text: str, *labels: str, mode: Any = "livesum") -> Gauge:
            return Gauge(f"chatserver_{name}", text, labels, multiprocess_mode=mode, registry=registry)

        # Answers, and jobs, which are answers of their own kind.
        self.asked = counter("answers_asked_total", "Questions that were made durable.")
        self.ended = counter("answers_ended_total", "Answers that were sealed.", "state")
        self.outcomes = counter("answer_outcomes_total", "How the text of answers ended.", "outcome")
        self.running = gauge("answers_running", "Answers that are being generated.")
        self.waiting = gauge("answers_waiting", "Answers in the log that nobody has claimed.", mode="livemax")
        self.first_text = histogram("answer_first_text_seconds", "From a question to its first text.", PATIENT)
        self.duration = histogram("answer_seconds", "From a question to its answer's end.", PATIENT, "state")
        self.stages = histogram("answer_stage_seconds", "Parts of an answer's time.", PATIENT, "stage")
        self.decisions = counter("decisions_total", "What questions were taken for.", "kind")
        self.legs = histogram("retrieval_leg_seconds", "One leg of a retrieval.", QUICK, "leg", "state")
        self.takeovers = counter("answer_takeovers_total", "Answers that another owner had begun.")
        self.handed = counter("answers_handed_over_total", "Answers given back by a process that ends.")
        self.fenced = counter("answers_fenced_total", "Writers that had lost their answer.")
        self.jobs_ended = counter("jobs_ended_total", "Ingestion jobs that were sealed.", "state")
        self.jobs_running = gauge("jobs_running", "Ingestion jobs that run.")
        self.jobs_waiting = gauge("jobs_waiting", "Ingestion jobs in the log that nobody has claimed.", mode="livemax")
        self.job_duration = histogram("job_seconds", "From a job's submission to its end.", PATIENT, "state")
        self.ingested = counter("ingested_total", "What completed jobs have ingested.", "kind")
        # The log.
        self.appended = counter("log_entries_appended_total", "Entries that are in the log.")
        self.append = histogram("log_append_seconds", "One batch of entries.", QUICK)
        self.append_failures = counter("log_append_failures_total", "Batches that found the log away.")
        self.log_up = gauge("log_up", "Whether the answer log can be reached.", mode="livemin")
        # Delivery.
        self.connections = gauge("connections", "WebSockets and streams that are served.")
        self.opened = counter("connections_opened_total", "Connections that were served.")
        self.closed = counter("connections_closed_total", "Connections that ended, by close code.", "code")
        self.turned_away = counter("connections_refused_total", "Connections closed unserved, by code.", "code")
        self.delivered = counter("entries_delivered_total", "Entries that were sent to connections.")
        self.resumes = counter("resumes_total", "Answers that a client wanted to resume.", "verdict")
        self.told = counter("answers_delivered_total", "Answers that a connection has had to their end.")
        self.acknowledged = counter("answers_acknowledged_total", "Acknowledgements of answers to their end.")
        self.refused = counter("commands_refused_total", "Commands that were not carried out.", "code")
        self.drains = counter("drains_total", "Processes that began to end.")
        self.draining = gauge("draining", "Processes that are ending.")
        # Upstreams.
        self.attempts = histogram("upstream_attempt_seconds", "Calls of an upstream.", PATIENT, "upstream", "outcome")
        self.retries = counter("upstream_retries_total", "Further attempts of a call.", "upstream")
        self.breaker = gauge("breaker_state", "0 closed, 1 half open, 2 open.", "upstream", mode="livemax")
        self.changes = counter("breaker_changes_total", "Changes of a breaker's state.", "upstream", "state")
        self.tokens = counter("model_tokens_total", "Tokens of answers, as the model tells them.", "direction")
        self.embedded = counter("embedded_texts_total", "Texts whose vectors came from there.", "source")
        self.cache_up = gauge("embedding_cache_up", "Whether a cache of vectors is used.", "cache", mode="livemin")
        # Requests and the process.
        self.requests = histogram("http_request_seconds", "HTTP requests.", QUICK, "door", "method", "status")
        self.lag = histogram("event_loop_lag_seconds", "How late the event loop is.", QUICK)
        self.processes = gauge("processes", "Processes that tell their metrics.")
        self.cpu = counter("process_cpu_seconds_total", "Processor time.")
        self.memory = gauge("process_resident_memory_bytes", "Resident memory.")
        self.threads = gauge("process_threads", "Threads.")
        self.descriptors = gauge("process_open_descriptors", "Open descriptors.")


def known(family: M, label: str, values: Sequence[str]) -> dict[str, M]:
    """Its children for these values, which are told as zero from the start: an alert needs a beginning."""
    return {value: family.labels(**{label: value}) for value in values}
