"""The ports of generations, connections and guards, told to Prometheus."""

from chatserver.answers.position import Verdict
from chatserver.answers.states import SEALED, AnswerState
from chatserver.guards.breaker import State
from chatserver.guards.watch import Outcome
from chatserver.metrics.families import Families, known
from chatserver.metrics.reading import Reading
from chatserver.protocol.chunks import Chunk
from chatserver.protocol.codes import CloseCode, ErrorCode

_STATES = sorted(SEALED)
_BREAKER = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}
UPSTREAMS = ("embeddings", "vectors", "graph", "model", "decisions")
"""The names of the guards."""


class Answers:
    """`GenerationWatch` of those who answer questions."""

    def __init__(self, families: Families) -> None:
        self._families = families
        self._ended = known(families.ended, "state", _STATES)
        self._duration = known(families.duration, "state", _STATES)
        self._reading = Reading(families)

    def asked(self) -> None:
        self._families.asked.inc()

    def began(self, owner: int) -> None:
        if owner > 1:
            self._families.takeovers.inc()

    def appended(self, entries: int, seconds: float) -> None:
        self._families.appended.inc(entries)
        self._families.append.observe(seconds)

    def append_failed(self) -> None:
        self._families.append_failures.inc()

    def told(self, chunk: Chunk) -> None:
        self._reading.read(chunk)

    def first_text(self, seconds: float) -> None:
        self._families.first_text.observe(seconds)

    def sealed(self, state: AnswerState, seconds: float) -> None:
        self._ended[state].inc()
        self._duration[state].observe(seconds)

    def handed_over(self) -> None:
        self._families.handed.inc()

    def fenced(self) -> None:
        self._families.fenced.inc()


class Jobs(Answers):
    """`GenerationWatch` of those who run ingestion jobs."""

    def __init__(self, families: Families) -> None:
        super().__init__(families)
        self._ended = known(families.jobs_ended, "state", _STATES)
        self._duration = known(families.job_duration, "state", _STATES)

    def asked(self) -> None:
        return

    def first_text(self, seconds: float) -> None:
        return


class Delivery:
    """`DeliveryWatch`. What is told for each turn of each connection is added up here, and flushed by the sampler."""

    def __init__(self, families: Families) -> None:
        self._families = families
        self._closed = known(families.closed, "code", [str(int(code)) for code in CloseCode])
        self._turned_away = known(families.turned_away, "code", [str(int(code)) for code in CloseCode])
        self._resumes = known(families.resumes, "verdict", list(Verdict))
        self._refused = known(families.refused, "code", list(ErrorCode))
        self._sent = 0

    def opened(self) -> None:
        self._families.opened.inc()

    def closed(self, code: int) -> None:
        self._closed[str(int(code))].inc()

    def turned_away(self, code: int) -> None:
        self._turned_away[str(int(code))].inc()

    def sent(self, entries: int) -> None:
        self._sent += entries

    def resumed(self, verdict: Verdict) -> None:
        self._resumes[verdict].inc()

    def delivered(self) -> None:
        self._families.told.inc()

    def acknowledged(self) -> None:
        self._families.acknowledged.inc()

    def refused(self, code: ErrorCode) -> None:
        self._refused[code].inc()

    def flush(self) -> None:
        sent, self._sent = self._sent, 0
        if sent:
            self._families.delivered.inc(sent)


class Upstreams:
    """`Watch` of the guards and caches."""

    def __init__(self, families: Families) -> None:
        self._families = families
        known(families.retries, "upstream", UPSTREAMS)
        for upstream in UPSTREAMS:
            families.attempts.labels(upstream, "ok")
            families.breaker.labels(upstream).set(0)
            for state in State:
                families.changes.labels(upstream, state)
        known(families.tokens, "direction", ("input", "output"))
        known(families.embedded, "source", ("redis", "file", "model"))

    def attempted(self, upstream: str, outcome: Outcome, seconds: float) -> None:
        self._families.attempts.labels(upstream, outcome).observe(seconds)

    def retried(self, upstream: str) -> None:
        self._families.retries.labels(upstream).inc()

    def breaker_changed(self, upstream: str, state: State) -> None:
        self._families.breaker.labels(upstream).set(_BREAKER[state])
        self._families.changes.labels(upstream, state).inc()

    def embedded(self, source: str, texts: int) -> None:
        self._families.embedded.labels(source).inc(texts)

    def cache_changed(self, cache: str, here: bool) -> None:
        self._families.cache_up.labels(cache).set(here)

    def spoke(self, input_tokens: int, output_tokens: int) -> None:
        self._families.tokens.labels("input").inc(input_tokens)
        self._families.tokens.labels("output").inc(output_tokens)
