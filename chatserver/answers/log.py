"""The answer log's port: what generations append to and connections tail.

Contract, checked by `tests/contracts/test_answer_log*.py` on every implementation
    Order       Entries of an answer have seq 0, 1, 2, … without holes. One batch is appended whole or not at all.
    Fence       An answer has one owner at a time. Each claim raises `generation`; an append, renewal or release by
                an older generation raises `Fenced` and changes nothing.
    Idempotence `create` with a user's known ask id returns the first answer. `append` of a batch that was already
                applied (same batch id, same place) returns the first result.
    Visibility  An entry that `read` returns was committed. Terminal entries, questions and stop requests
                survive the machine; text entries survive the process, and with the next terminal the machine.
    Doorbell    After a commit, listeners are rung. A ring may be lost or repeated: it only says "look".
    Ownership   Methods that take `user` treat another user's answer exactly like one that does not exist.

Every method raises `LogUnavailable` when the store can't be reached; what was acknowledged before is kept.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from chatserver.answers.meta import AnswerMeta, NewAnswer
from chatserver.answers.states import AnswerState


class LogError(Exception):
    """Base of what a log raises."""


class LogUnavailable(LogError):
    """The store can't be reached or can't write now; trying again may help."""

    code = "unavailable"


class Fenced(LogError):
    """The claim is no longer the answer's: another owner has taken it over, or the answer is sealed."""


class Conflict(LogError):
    """The expected head is not the log's head and the batch is not a repeated one: a bug in the writer."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to append to an answer, as long as no later generation exists."""

    answer: str
    generation: int
    owner: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries to append at `expected_head`. `id` is unique to the batch; `seal` is the state when the last entry is
    terminal."""

    id: str
    expected_head: int
    entries: Sequence[bytes]
    """At least one; JSON objects without a newline in them."""
    seal: AnswerState | None = None


@dataclass(frozen=True, slots=True)
class Appended:
    head: int
    stop_requested: bool


@dataclass(frozen=True, slots=True)
class Ring:
    """`answer` has changed; with `entries` the ring carries the batch that begins at `first`. An empty `answer`
    means that any may have changed."""

    answer: str
    first: int = 0
    entries: Sequence[bytes] = ()
    seal: AnswerState | None = None


@dataclass(frozen=True, slots=True, order=True)
class ChatPlace:
    """Where a chat stands among its user's: by the time of its last question."""

    updated_at: float
    chat: str


@dataclass(frozen=True, slots=True)
class ChatSummary:
    chat: str
    title: str
    """The first question."""
    updated_at: float
    answers: int

    @property
    def place(self) -> ChatPlace:
        return ChatPlace(self.updated_at, self.chat)


Listener = Callable[[Ring], None]


class AnswerLog(Protocol):
    async def create(self, new: NewAnswer) -> tuple[AnswerMeta, bool]:
        """Makes the question durable. True when it is new, False when `ask_id` was known for this user."""

    async def claim(self, answer: str, owner: str, lease_s: float) -> tuple[Claim, AnswerMeta] | None:
        """Takes an answer that is queued, or running with an expired lease; None when it can't be had."""

    async def renew(self, claim: Claim, lease_s: float) -> bool:
        """Extends the lease; True when a stop was requested. Raises `Fenced`."""

    async def append(self, claim: Claim, batch: Batch, lease_s: float) -> Appended:
        """Appends, extends the lease, and seals when the batch says so. Raises `Fenced`, `Conflict`."""

    async def release(self, claim: Claim) -> None:
        """Gives the answer back to the queue for another owner. Raises `Fenced`."""

    async def request_stop(self, user: str, answer: str) -> AnswerMeta | None:
        """Asks the owner to end the generation. None when the user has no such answer."""

    async def acknowledge(self, user: str, answer: str, seq: int) -> AnswerMeta | None:
        """Everything up to `seq` was shown (never moves back, never past the head). None: no such answer."""

    async def meta(self, answer: str) -> AnswerMeta | None: ...

    async def of_ask(self, user: str, ask_id: str) -> AnswerMeta | None:
        """The answer that `create` would give for this ask id, None for one that is new."""

    async def read(self, answer: str, first: int, limit: int) -> list[bytes]:
        """At least one entry from seq `first` on when there is one, about `limit` at most."""

    async def chat(self, user: str, chat: str, *, undelivered: bool = False) -> list[AnswerMeta]:
        """The chat's answers, oldest question first; with `undelivered` only those not yet delivered."""

    async def chats(self, user: str, limit: int, after: ChatPlace | None = None) -> list[ChatSummary]:
        """The user's chats, last used first (greatest `place`), with `after` those that come after it; that of the
        user's jobs is not among them."""

    async def claimable(self, limit: int, *, jobs: bool = False) -> list[str]:
        """Answers that `claim` would give now, oldest first but everybody's first before anybody's second (a log may
        look no further than a few times `limit` for that): those to questions, or with `jobs` those that are the
        logs of jobs (`chatserver.answers.meta.is_job`)."""

    async def stop_requests(self, owner: str) -> list[str]:
        """The answers that this owner is to stop."""

    async def mark(self, answer: str, marks: Mapping[str, float]) -> None:
        """Notes points in time of the answer's life (name -> seconds since the Unix epoch); the first one of a name
        stays."""

    async def timeline(self, answer: str) -> dict[str, float]: ...

    async def erase(self, user: str) -> list[str]:
        """Everything that is kept of the user; gives the ids of their answers, which from then on don't exist. An owner
        that is telling one meets `Fenced`."""

    def listen(self, listener: Listener, interested: Callable[[], bool]) -> Callable[[], None]:
        """Rings `listener` on the event loop; returns the function that ends it. While nobody is `interested` the
        log may skip looking for what other processes did."""

    async def follow(self, answer: str) -> None:
        """Until `unfollow`, what other processes append to this answer rings too. Never raises: a log that can't
        listen now will later, and then rings for everything."""

    def unfollow(self, answer: str) -> None:
        """Ends one `follow`."""

    async def aclose(self) -> None: ...
