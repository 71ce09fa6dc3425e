"""The commands that need the log, carried out for a connection, their failures turned into `error` events."""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from chatserver.answers.log import AnswerLog, LogUnavailable
from chatserver.answers.meta import HISTORY, AnswerMeta, NewAnswer
from chatserver.delivery.timeline import Timeline
from chatserver.generation.generations import Generations
from chatserver.protocol import commands
from chatserver.protocol.codes import ErrorCode
from chatserver.protocol.session import Conversation, Effect, Perform
from retrieval.errors import InvalidFilter
from retrieval.filters import parse as parse_filter

log = structlog.get_logger(__name__)

_RETRY_MS = 1000


class LogPerformer:
    """`generations` and `answers` share one log. Ids and the clock are injected for tests."""

    def __init__(
        self,
        answers: AnswerLog,
        generations: Generations,
        timeline: Timeline,
        *,
        provider_keys: bool = False,
        clock: Callable[[], float] = time.time,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._answers = answers
        self._generations = generations
        self._timeline = timeline
        self._provider_keys = provider_keys
        self._clock = clock
        self._new_id = new_id

    async def perform(self, user: str, session: Conversation, command: Perform) -> Sequence[Effect]:
        asked = command.command
        try:
            match asked:
                case commands.Ask():
                    return await self._ask(user, session, asked)
                case commands.Resume():
                    return await self._resume(user, session, asked)
                case commands.Ack():
                    acknowledged = await self._answers.acknowledge(user, asked.answer, asked.seq)
                    self._note_acknowledged(acknowledged)
                    return [] if acknowledged else _unknown(session, asked.answer)
                case commands.Stop():
                    stopped = await self._generations.stop(user, asked.answer)
                    return [] if stopped else _unknown(session, asked.answer)
        except LogUnavailable as error:
            log.warning("command not carried out", command=asked.type, error=str(error))
            message = "The answer log is away; nothing is lost, try again."
            return session.failed(ErrorCode.UNAVAILABLE, message, id=asked.reply_to, retry_after_ms=_RETRY_MS)
        except Exception:
            log.exception("command failed", command=asked.type)
            return session.failed(ErrorCode.INTERNAL, "Something went wrong on our side.", id=asked.reply_to)

    def sending(self, answer: str) -> None:
        self._timeline.note(answer, "first_send", self._clock())

    def delivered(self, answer: str) -> None:
        self._timeline.note(answer, "delivered", self._clock())

    async def ask(self, user: str, ask: commands.Ask) -> AnswerMeta:
        """Makes the question durable, or finds what is known under its id. Raises `InvalidCommand`,
        `LogUnavailable`."""
        try:
            parse_filter(ask.filter or {})
        except InvalidFilter as error:
            raise commands.InvalidCommand(ErrorCode.INVALID_FILTER, str(error), id=ask.reply_to) from None
        if ask.provider_key is not None and not self._provider_keys:
            message = "This server takes no keys."
            raise commands.InvalidCommand(ErrorCode.PROVIDER_KEY_REFUSED, message, id=ask.reply_to)
        new = NewAnswer(
            answer=self._new_id(),
            epoch=self._new_id()[:8],
            user=user,
            chat=ask.chat,
            ask_id=ask.id,
            text=ask.text,
            asked_at=self._clock(),
            namespace=ask.namespace,
            filter=ask.filter,
            options=_options(ask),
        )
        key = ask.provider_key.get_secret_value() if ask.provider_key is not None else None
        return await self._generations.ask(new, provider_key=key)

    async def _ask(self, user: str, session: Conversation, ask: commands.Ask) -> Sequence[Effect]:
        try:
            return session.asked(ask, await self.ask(user, ask))
        except commands.InvalidCommand as error:
            return session.failed(error.code, error.message, id=error.id)

    async def _resume(self, user: str, session: Conversation, resume: commands.Resume) -> Sequence[Effect]:
        pending = await self._answers.chat(user, resume.chat, undelivered=True)
        known = {meta.answer: meta for meta in pending}
        for cursor in resume.cursors:
            if cursor.answer not in known:
                meta = await self._answers.meta(cursor.answer)
                if meta is not None and meta.question.user == user:
                    known[meta.answer] = meta
        return session.resumed(resume, pending, known)

    def _note_acknowledged(self, meta: AnswerMeta | None) -> None:
        if meta is not None and meta.delivered:
            self._timeline.note(meta.answer, "acknowledged", self._clock())


def _unknown(session: Conversation, answer: str) -> Sequence[Effect]:
    return session.failed(ErrorCode.UNKNOWN_ANSWER, "You have no such answer.", answer=answer)


def _options(ask: commands.Ask) -> Mapping[str, Any]:
    """With the turns that the client tells, which only `history` may bring."""
    options = {name: value for name, value in ask.options.items() if name != HISTORY}
    if ask.history is not None:
        options[HISTORY] = [[turn.question, turn.answer] for turn in ask.history]
    return options
