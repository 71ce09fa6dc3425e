"""The guards: one for each upstream, all told to one watch."""

from dataclasses import dataclass

import stamina.instrumentation

from chatserver.guards.guard import Guard, Patience
from chatserver.guards.retrieval import Limits
from chatserver.guards.watch import Watch
from chatserver.settings import Settings

_ATTEMPT_SHARE = 0.4
"""Of the retrieval's deadline: an attempt that hangs is told as a failure, rather than cut off with its leg, which no
breaker could tell from a reader who left."""
_MODEL_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Upstreams:
    """What every call to another server goes through."""

    embeddings: Guard
    vectors: Guard
    graph: Guard
    model: Guard
    decisions: Guard
    """The same server, asked what a question is; nobody waits for a second try."""
    limits: Limits
    watch: Watch

    @classmethod
    def guarded(cls, settings: Settings, watch: Watch) -> "Upstreams":
        stamina.instrumentation.set_on_retry_hooks(())  # a guard tells of its retries itself, by its upstream's name
        patience = Patience(settings.upstreams.attempts)

        # What a script or a rule fails at is the question's own doing: it must not cost the next one its answer.
        failures = settings.upstreams.breaker_failures if settings.model.kind == "openai" else None

        def guard(name: str) -> Guard:
            return Guard(
                name,
                watch,
                patience=patience,
                failures=settings.upstreams.breaker_failures,
                open_s=settings.upstreams.breaker_open_s,
            )

        return cls(
            embeddings=guard("embeddings"),
            vectors=guard("vectors"),
            graph=guard("graph"),
            model=Guard(
                "model",
                watch,
                patience=Patience(settings.upstreams.attempts, longest_wait_s=_MODEL_WAIT_S),
                failures=failures,
                open_s=settings.upstreams.breaker_open_s,
            ),
            decisions=Guard(
                "decisions",
                watch,
                patience=Patience(attempts=1),
                failures=settings.upstreams.breaker_failures,
                open_s=settings.upstreams.breaker_open_s,
            ),
            limits=Limits(read_s=_ATTEMPT_SHARE * settings.retrieval.deadline_s),
            watch=watch,
        )
