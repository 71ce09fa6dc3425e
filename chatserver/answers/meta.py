"""An answer without its entries: the question and how far the answer is. Pure values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from chatserver.answers.states import AnswerState

HISTORY: Final = "$history"
"""The option that holds the chat's earlier turns, `[question, answer]` each, where the asker told them."""

AFTER: Final = "$after"
"""The option that holds the answer which the question follows, where the asker told it."""

CALLER: Final = "$caller"
"""The option that holds the span of the asker's own trace, a W3C `traceparent`, where answers are traced and the asker
told one."""

JOBS: Final = "jobs"
"""The chat that holds a user's jobs. It is not among the user's chats."""
_JOB: Final = "job-"


def job_id(unique: str) -> str:
    """The answer id of a job: its kind can be read from it."""
    return f"{_JOB}{unique}"


def is_job(answer: str) -> bool:
    """Whether the answer is the log of a job: it has an owner of its own kind."""
    return answer.startswith(_JOB)


@dataclass(frozen=True, slots=True)
class NewAnswer:
    """A question to be made durable. Times are seconds since the Unix epoch."""

    answer: str
    epoch: str
    user: str
    chat: str
    ask_id: str
    text: str
    asked_at: float
    namespace: str = ""
    filter: Mapping[str, Any] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    own_key: bool = False
    """The asker brought a key of their own for the model. The key itself is stored nowhere."""

    @property
    def caller(self) -> str:
        """The `CALLER`, empty for none."""
        return str(self.options.get(CALLER, ""))


@dataclass(frozen=True, slots=True)
class AnswerMeta:
    """An answer without its entries. `head` is the number of entries; `acknowledged` the last seq shown, or -1."""

    question: NewAnswer
    state: AnswerState
    generation: int
    owner: str | None
    head: int
    acknowledged: int
    stop_requested: bool
    lease_until: float

    @property
    def answer(self) -> str:
        return self.question.answer

    @property
    def epoch(self) -> str:
        return self.question.epoch

    @property
    def delivered(self) -> bool:
        """Sealed and acknowledged to its end: not sent again unasked."""
        return self.state.sealed and self.acknowledged >= self.head - 1
