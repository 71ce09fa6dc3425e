"""One connection's conversation as a state machine: frames and outcomes in, effects out. No I/O, no clock.

Theory of operation
    The shell around it feeds `receive` with frames and carries out the effects in order. Effects that need the log
    (`Ask`, `Resume`, …) come back as outcomes (`asked`, `resumed`, …), which give further effects. A session is
    open, then closed; once it has asked for the close it has no more effects, so nothing can be sent after it.

    A session follows each answer at most once. `Follow` begins the delivery at a seq, `ended` closes it: what a
    client is told of one answer is one contiguous run of entries, then one `end`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from chatserver.answers.meta import AnswerMeta
from chatserver.answers.position import Cursor, Verdict, resume_point
from chatserver.answers.states import AnswerState
from chatserver.protocol import commands, events
from chatserver.protocol.codes import CloseCode, ErrorCode

MAX_OFFENCES = 20
"""Frames that are no commands, in one connection, before it is closed."""


class Framed(Protocol):
    def frame(self) -> str:
        """As the wire carries it."""


@dataclass(frozen=True, slots=True)
class Send:
    event: Framed


@dataclass(frozen=True, slots=True)
class Perform:
    """Carry out a command that needs the log, then report its outcome."""

    command: commands.Ask | commands.Resume | commands.Ack | commands.Stop


Form: TypeAlias = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Follow:
    """Deliver the answer's entries from `first` on; those before `live` are replay. `form` makes of each chat.v1 frame
    of an entry, in order and once, what this door sends ("" for nothing); `delivery` names the run of entries where a
    door can have two of one answer."""

    answer: str
    epoch: str
    first: int
    live: int
    form: Form | None = None
    delivery: str = ""

    @property
    def name(self) -> str:
        return self.delivery or self.answer


@dataclass(frozen=True, slots=True)
class Unfollow:
    delivery: str


@dataclass(frozen=True, slots=True)
class Close:
    code: CloseCode
    reason: str


Effect: TypeAlias = Send | Perform | Follow | Unfollow | Close


@dataclass(frozen=True, slots=True)
class Limits:
    max_message_bytes: int
    max_question_characters: int


class Conversation(Protocol):
    """What a door speaks on one connection: frames and outcomes in, effects out. After the effect `Close` none has
    effects any more."""

    @property
    def closed(self) -> bool: ...

    def opened(self, welcome: events.Welcome) -> list[Effect]:
        """The connection is there; nothing was said before."""

    def receive(self, frame: str | bytes) -> list[Effect]:
        """One frame from the client."""

    def asked(self, ask: commands.Ask, meta: AnswerMeta) -> list[Effect]:
        """The question is durable (or was, under the same id)."""

    def resumed(
        self, resume: commands.Resume, pending: Sequence[AnswerMeta], known: Mapping[str, AnswerMeta]
    ) -> list[Effect]:
        """`pending` are the chat's undelivered answers, `known` those of the cursors' answers that are this user's,
        by id."""

    def failed(
        self,
        code: ErrorCode,
        message: str,
        *,
        id: str | None = None,
        answer: str | None = None,
        retry_after_ms: int | None = None,
    ) -> list[Effect]:
        """A command could not be carried out; `id` is its `reply_to`."""

    def ended(self, delivery: str, seq: int, state: AnswerState) -> list[Effect]:
        """The last entry of what is followed under this name has been sent."""

    def drain(self, retry_after_ms: int) -> list[Effect]:
        """From now on no question is taken; answers under way go on."""

    def close(self, code: CloseCode, reason: str) -> list[Effect]: ...


class Session:
    """chat.v1."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._offences = 0
        self._closed = False
        self._retry_after_ms: int | None = None
        self._followed: set[str] = set()

    @property
    def closed(self) -> bool:
        return self._closed

    def opened(self, welcome: events.Welcome) -> list[Effect]:
        return [Send(welcome)]

    def receive(self, frame: str | bytes) -> list[Effect]:
        if self._closed:
            return []
        try:
            command = self._parse(frame)
        except commands.InvalidCommand as error:
            return self._offence(error)
        if isinstance(command, commands.Ping):
            return [Send(events.Pong(id=command.id))]
        if isinstance(command, commands.Ask) and self._retry_after_ms is not None:
            return [self._refuse_draining(command)]
        return [Perform(command)]

    def asked(self, ask: commands.Ask, meta: AnswerMeta) -> list[Effect]:
        if self._closed:
            return []
        accepted = events.Accepted(id=ask.id, answer=meta.answer, chat=meta.question.chat, epoch=meta.epoch)
        return [Send(accepted), *self._follow(meta, 0)]

    def resumed(
        self, resume: commands.Resume, pending: Sequence[AnswerMeta], known: Mapping[str, AnswerMeta]
    ) -> list[Effect]:
        if self._closed:
            return []
        cursors = {field.answer: Cursor(field.answer, field.epoch, field.seq) for field in resume.cursors}
        metas = {id: meta for id, meta in known.items() if meta.question.chat == resume.chat}
        metas.update((meta.answer, meta) for meta in pending)
        told: list[events.ResumedAnswer] = []
        ends: list[Effect] = []
        follows: list[Effect] = []
        for meta in sorted(metas.values(), key=lambda meta: meta.question.asked_at):
            verdict, first = resume_point(cursors.get(meta.answer), meta.epoch, meta.head)
            told.append(
                events.ResumedAnswer(
                    answer=meta.answer, epoch=meta.epoch, head=meta.head, state=meta.state, verdict=verdict
                )
            )
            ends += self._unfollow(meta.answer)
            follows += self._follow(meta, first)
        told += [_gone(cursor) for id, cursor in cursors.items() if id not in metas]
        return [*ends, Send(events.Resumed(chat=resume.chat, answers=told)), *follows]

    def failed(
        self,
        code: ErrorCode,
        message: str,
        *,
        id: str | None = None,
        answer: str | None = None,
        retry_after_ms: int | None = None,
    ) -> list[Effect]:
        if self._closed:
            return []
        return [Send(events.Error(code=code, message=message, id=id, answer=answer, retry_after_ms=retry_after_ms))]

    def ended(self, delivery: str, seq: int, state: AnswerState) -> list[Effect]:
        self._followed.discard(delivery)
        if self._closed:
            return []
        return [Send(events.End(answer=delivery, seq=seq, state=state))]

    def drain(self, retry_after_ms: int) -> list[Effect]:
        if self._closed or self._retry_after_ms is not None:
            return []
        self._retry_after_ms = retry_after_ms
        return [Send(events.Draining(retry_after_ms=retry_after_ms))]

    def close(self, code: CloseCode, reason: str) -> list[Effect]:
        if self._closed:
            return []
        self._closed = True
        return [Close(code, reason)]

    def _parse(self, frame: str | bytes) -> commands.Command:
        text = commands.checked_frame(frame, self._limits.max_message_bytes)
        return commands.parse(text, max_question_characters=self._limits.max_question_characters)

    def _offence(self, error: commands.InvalidCommand) -> list[Effect]:
        self._offences += 1
        told: list[Effect] = [Send(events.Error(code=error.code, message=error.message, id=error.id))]
        if self._offences < MAX_OFFENCES:
            return told
        return [*told, *self.close(CloseCode.POLICY, ErrorCode.TOO_MANY_OFFENCES)]

    def _refuse_draining(self, ask: commands.Ask) -> Effect:
        return Send(
            events.Error(
                code=ErrorCode.DRAINING,
                message="This server is restarting; ask again after reconnecting.",
                id=ask.id,
                retry_after_ms=self._retry_after_ms,
            )
        )

    def _follow(self, meta: AnswerMeta, first: int) -> list[Effect]:
        if meta.answer in self._followed:
            return []
        self._followed.add(meta.answer)
        return [Follow(meta.answer, meta.epoch, first, live=meta.head)]

    def _unfollow(self, answer: str) -> list[Effect]:
        """A resume says anew where the delivery begins, also for an answer that is being followed: its old run ends
        before the verdict is told."""
        if answer not in self._followed:
            return []
        self._followed.discard(answer)
        return [Unfollow(answer)]


def _gone(cursor: Cursor) -> events.ResumedAnswer:
    return events.ResumedAnswer(answer=cursor.answer, epoch=cursor.epoch, head=0, state="gone", verdict=Verdict.GONE)
