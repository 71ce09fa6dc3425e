"""The seam between an answer's life (generations, log, delivery) and its content (the pipeline)."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from chatserver.models.port import Turn
from chatserver.protocol.chunks import Chunk, Citation


@dataclass(frozen=True, slots=True)
class Question:
    """A question as it was accepted. `asked_at` is aware (UTC)."""

    answer: str
    chat: str
    user: str
    text: str
    asked_at: datetime
    namespace: str = ""
    filter: Mapping[str, Any] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    history: tuple[Turn, ...] = ()
    provider_key: str | None = field(default=None, repr=False)
    """The asker's own key for the model; in memory alone."""


class Pipeline(Protocol):
    def run(self, question: Question, told: Sequence[Chunk] = ()) -> AsyncGenerator[Chunk, None]:
        """The answer's entries, one by one, in the grammar

            start (start-step … finish-step)* terminal

        with exactly one terminal (`finish` or `error`), last. Failures of upstreams become entries (`data-notice`,
        `error`); an exception out of the iterator is a bug, which the generation seals as `error`.

        `told` holds what an earlier owner of this answer has logged, up to and including its last `finish-step` (or
        empty): those steps are not told again, and what they decided and found (decision, sources, records) is
        taken from them, so that the continuation cites the sources that the reader has seen. A half-told step has
        been withdrawn by the caller with `reset-step`; the caller then expects the iterator to continue *inside*
        that open step only if `told` ends with `reset-step`, else with the next `start-step`.

        Cancelling the task that iterates ends every upstream call.
        """

    async def citations(self, question: Question, told: Sequence[Chunk], text: str) -> Sequence[Citation]:
        """The citations of a text that was stopped before its end. `told` holds the answer's entries before that text;
        its finished steps tell the sources."""
