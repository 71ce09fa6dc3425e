"""What other parts tell becomes what Prometheus reads."""

import pytest

from chatserver.answers.position import Verdict
from chatserver.answers.states import AnswerState
from chatserver.guards.breaker import State
from chatserver.metrics.metrics import Metrics
from chatserver.protocol import chunks
from chatserver.protocol.codes import CloseCode, ErrorCode
from tests.metrics.scrape import Scrape


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def scrape(metrics: Metrics) -> Scrape:
    metrics.delivery.flush()
    return Scrape(metrics.text().decode())


def test_an_answers_life(metrics: Metrics) -> None:
    """Asked, begun by a second owner, appended, first text, sealed: each counts once, its times from the question."""
    watch = metrics.answers
    watch.asked()
    watch.began(1)
    watch.began(2)
    watch.appended(3, 0.002)
    watch.append_failed()
    watch.first_text(0.4)
    watch.sealed(AnswerState.STOPPED, 2.5)
    watch.handed_over()
    watch.fenced()
    seen = scrape(metrics)
    assert seen.value("answers_asked_total") == 1
    assert seen.value("answer_takeovers_total") == 1
    assert (seen.value("log_entries_appended_total"), seen.value("log_append_seconds_count")) == (3, 1)
    assert seen.value("log_append_failures_total") == 1
    assert seen.value("answer_first_text_seconds_bucket", le="0.5") == 1
    assert seen.value("answer_first_text_seconds_bucket", le="0.25") == 0
    assert seen.value("answers_ended_total", state="stopped") == seen.value("answers_ended_total") == 1
    assert seen.value("answer_seconds_sum", state="stopped") == 2.5
    assert (seen.value("answers_handed_over_total"), seen.value("answers_fenced_total")) == (1, 1)


def test_what_the_entries_say(metrics: Metrics) -> None:
    """Legs with their states and times, what a question was taken for and how its text ended come from the entries."""
    legs = [{"leg": "vector", "state": "ok", "ms": 12.0, "hits": 3}, {"leg": "graph", "state": "late", "ms": 800.0}]
    metrics.answers.told(chunks.data("decision", {"kind": "retrieve", "by": "rules"}))
    metrics.answers.told(chunks.data("retrieval", {"legs": legs, "passages": [], "facts": []}))
    timing = {"decide_ms": 100.0, "retrieve_ms": 900.0, "total_ms": 3000.0, "outcome": "answer_timeout"}
    metrics.answers.told(chunks.data("timing", timing))
    metrics.answers.told(chunks.start_step())
    seen = scrape(metrics)
    assert seen.value("decisions_total", kind="retrieve") == 1
    assert seen.value("retrieval_leg_seconds_sum", leg="vector", state="ok") == 0.012
    assert seen.value("retrieval_leg_seconds_count", leg="graph", state="late") == 1
    assert seen.value("answer_outcomes_total", outcome="answer_timeout") == 1
    assert seen.value("answer_stage_seconds_sum", stage="retrieve") == 0.9
    assert seen.value("answer_stage_seconds_sum", stage="speak") == 2.0


def test_jobs_are_no_answers(metrics: Metrics) -> None:
    """A job that ends is counted with jobs, and what it has ingested by its own account."""
    metrics.jobs.asked()
    metrics.jobs.told(chunks.data("result", {"documents": 2, "passages": 9, "records": 0}))
    metrics.jobs.sealed(AnswerState.COMPLETED, 4.0)
    seen = scrape(metrics)
    assert (seen.value("answers_asked_total"), seen.value("answers_ended_total")) == (0, 0)
    assert seen.value("jobs_ended_total", state="completed") == 1
    assert seen.value("ingested_total", kind="passages") == 9


def test_connections(metrics: Metrics) -> None:
    """Opened, closed and turned away by code; entries, verdicts and refusals."""
    watch = metrics.delivery
    watch.opened()
    watch.closed(CloseCode.TOO_SLOW)
    watch.turned_away(CloseCode.UNAUTHENTICATED)
    for _ in range(3):
        watch.sent(7)
    watch.resumed(Verdict.RESUMED)
    watch.refused(ErrorCode.RATE_LIMITED)
    seen = scrape(metrics)
    assert seen.value("connections_opened_total") == 1
    assert seen.value("connections_closed_total", code="4408") == seen.value("connections_closed_total") == 1
    assert seen.value("connections_refused_total", code="4401") == 1
    assert seen.value("entries_delivered_total") == 21
    assert seen.value("resumes_total", verdict="resumed") == 1
    assert seen.value("commands_refused_total", code="rate_limited") == 1


def test_upstreams(metrics: Metrics) -> None:
    """Attempts by how they ended, retries, the breaker's state, tokens, and where vectors came from."""
    watch = metrics.upstreams
    watch.attempted("model", "temporary", 0.2)
    watch.retried("model")
    watch.breaker_changed("model", State.OPEN)
    watch.embedded("redis", 5)
    watch.cache_changed("redis", here=True)
    watch.cache_changed("redis", here=False)
    watch.spoke(100, 20)
    seen = scrape(metrics)
    assert seen.value("upstream_attempt_seconds_count", upstream="model", outcome="temporary") == 1
    assert seen.value("upstream_retries_total", upstream="model") == 1
    assert seen.value("breaker_state", upstream="model") == 2
    assert seen.value("breaker_changes_total", upstream="model", state="open") == 1
    assert seen.value("embedded_texts_total", source="redis") == 5
    assert seen.value("embedding_cache_up", cache="redis") == 0
    assert (seen.value("model_tokens_total", direction="input"), seen.value("model_tokens_total")) == (100, 120)


def test_what_is_zero_is_told(metrics: Metrics) -> None:
    """What an alert compares is there before the first time: each close code, state, upstream and refusal."""
    seen = scrape(metrics)
    told = {(name, *labels.values()) for name, labels, _ in seen.samples}
    assert {("chatserver_connections_closed_total", str(int(code))) for code in CloseCode} <= told
    assert ("chatserver_answers_ended_total", "failed") in told
    assert ("chatserver_breaker_state", "model") in told
    assert ("chatserver_commands_refused_total", "overloaded") in told
