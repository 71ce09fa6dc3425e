"""The commands that need the log, carried out for a connection, their failures turned into `error` events."""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import structlog

from chatserver.access.identity import Identity
from chatserver.access.quotas import UNLIMITED, Exceeded, Quotas
from chatserver.answers.log import AnswerLog, LogUnavailable
from chatserver.answers.meta import AFTER, CALLER, HISTORY, AnswerMeta, NewAnswer
from chatserver.answers.position import Verdict
from chatserver.delivery.timeline import Timeline
from chatserver.delivery.watch import UNWATCHED, DeliveryWatch
from chatserver.generation.generations import Generations
from chatserver.protocol import commands
from chatserver.protocol.codes import ErrorCode
from chatserver.protocol.events import Resumed
from chatserver.protocol.session import Conversation, Effect, Follow, Perform, Send
from chatserver.tracing.port import UNTRACED, Tracer
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
        quotas: Quotas = UNLIMITED,
        watch: DeliveryWatch = UNWATCHED,
        tracer: Tracer = UNTRACED,
        clock: Callable[[], float] = time.time,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._answers = answers
        self._generations = generations
        self._timeline = timeline
        self._provider_keys = provider_keys
        self._quotas = quotas
        self._watch = watch
        self._tracer = tracer
        self._clock = clock
        self._new_id = new_id

    async def perform(self, identity: Identity, session: Conversation, command: Perform) -> Sequence[Effect]:
        asked = command.command
        try:
            match asked:
                case commands.Ask():
                    return await self._ask(identity, session, asked)
                case commands.Resume():
                    return await self._resume(identity, session, asked)
                case commands.Ack():
                    return await self._acknowledge(identity, session, asked)
                case commands.Stop():
                    return await self._stop(identity, session, asked)
        except LogUnavailable as error:
            log.warning("command not carried out", command=asked.type, error=str(error))
            self._watch.refused(ErrorCode.UNAVAILABLE)
            message = "The answer log is away; nothing is lost, try again."
            return session.failed(ErrorCode.UNAVAILABLE, message, id=asked.reply_to, retry_after_ms=_RETRY_MS)
        except Exception:
            log.exception("command failed", command=asked.type)
            self._watch.refused(ErrorCode.INTERNAL)
            return session.failed(ErrorCode.INTERNAL, "Something went wrong on our side.", id=asked.reply_to)

    def sending(self, answer: str) -> None:
        self._timeline.note(answer, "first_send", self._clock())

    def delivered(self, answer: str) -> None:
        self._timeline.note(answer, "delivered", self._clock())
        self._watch.delivered()

    async def ask(self, identity: Identity, ask: commands.Ask) -> AnswerMeta:
        """Makes the question durable, or finds what is known under its id, which no quota keeps from its asker. Raises
        `InvalidCommand`, `LogUnavailable`."""
        try:
            return await self._asked(identity, ask)
        except commands.InvalidCommand as error:
            self._watch.refused(error.code)
            raise

    async def _asked(self, identity: Identity, ask: commands.Ask) -> AnswerMeta:
        try:
            parse_filter(ask.filter or {})
        except InvalidFilter as error:
            raise commands.InvalidCommand(ErrorCode.INVALID_FILTER, str(error), id=ask.reply_to) from None
        if not identity.may_use(ask.namespace):
            raise _foreign(ask)
        if ask.provider_key is not None and not self._provider_keys:
            message = "This server takes no keys."
            raise commands.InvalidCommand(ErrorCode.PROVIDER_KEY_REFUSED, message, id=ask.reply_to)
        ask = await self._placed(identity, ask)
        try:
            await self._quotas.question(identity)
        except Exceeded as error:
            known = await self._answers.of_ask(identity.user, ask.id)
            if known is None or not identity.owns(known.question):
                wait_ms = round(error.retry_after_s * 1000)
                raise commands.InvalidCommand(
                    error.code, error.message, id=ask.reply_to, retry_after_ms=wait_ms
                ) from None
            return known
        new = NewAnswer(
            answer=self._new_id(),
            epoch=self._new_id()[:8],
            user=identity.user,
            chat=ask.chat,
            ask_id=ask.id,
            text=ask.text,
            asked_at=self._clock(),
            namespace=ask.namespace,
            filter=ask.filter,
            options=_options(ask, self._tracer.caller()),
        )
        key = ask.provider_key.get_secret_value() if ask.provider_key is not None else None
        span = self._tracer.begin("question", new.answer, caller=new.caller, first=True, answer_id=new.answer)
        meta = await self._generations.ask(new, provider_key=key)
        if meta.answer == new.answer:  # else it was known: its trace has begun already
            span.end()
        if not identity.owns(meta.question):  # the id was used before, in another namespace
            raise _foreign(ask)
        return meta

    async def _placed(self, identity: Identity, ask: commands.Ask) -> commands.Ask:
        """Behind an answer of its own chat. A client that tells the turns itself may name one that the log has not: its
        question has no other place than the newest."""
        if not ask.after:
            return ask
        meta = await self._answers.meta(ask.after)
        if meta is not None and identity.owns(meta.question) and meta.question.chat == ask.chat:
            return ask
        if ask.history is not None:
            return ask.model_copy(update={"after": None})
        message = "This chat has no answer that the question could follow."
        raise commands.InvalidCommand(ErrorCode.UNKNOWN_ANSWER, message, id=ask.reply_to)

    async def _ask(self, identity: Identity, session: Conversation, ask: commands.Ask) -> Sequence[Effect]:
        try:
            return session.asked(ask, await self.ask(identity, ask))
        except commands.InvalidCommand as error:
            return session.failed(error.code, error.message, id=error.id, retry_after_ms=error.retry_after_ms)

    async def _acknowledge(self, identity: Identity, session: Conversation, ack: commands.Ack) -> Sequence[Effect]:
        if not await self._may_reach(identity, ack.answer):
            return _unknown(session, ack.answer)
        meta = await self._answers.acknowledge(identity.user, ack.answer, ack.seq)
        if meta is not None and meta.delivered:
            self._timeline.note(meta.answer, "acknowledged", self._clock())
            self._watch.acknowledged()
        return [] if meta else _unknown(session, ack.answer)

    async def _stop(self, identity: Identity, session: Conversation, stop: commands.Stop) -> Sequence[Effect]:
        if not await self._may_reach(identity, stop.answer):
            return _unknown(session, stop.answer)
        stopped = await self._generations.stop(identity.user, stop.answer)
        return [] if stopped else _unknown(session, stop.answer)

    async def _may_reach(self, identity: Identity, answer: str) -> bool:
        """Whether the answer lies in a namespace of theirs; that it is their own, the log itself checks."""
        if identity.namespaces is None:
            return True
        meta = await self._answers.meta(answer)
        return meta is not None and identity.owns(meta.question)

    async def _resume(self, identity: Identity, session: Conversation, resume: commands.Resume) -> Sequence[Effect]:
        undelivered = await self._answers.chat(identity.user, resume.chat, undelivered=True)
        pending = [meta for meta in undelivered if identity.owns(meta.question)]
        known = {meta.answer: meta for meta in pending}
        for cursor in resume.cursors:
            if cursor.answer not in known:
                meta = await self._answers.meta(cursor.answer)
                if meta is not None and identity.owns(meta.question):
                    known[meta.answer] = meta
        effects = session.resumed(resume, pending, known)
        for verdict in _verdicts(effects):
            self._watch.resumed(verdict)
        return effects


def _verdicts(effects: Sequence[Effect]) -> Iterator[Verdict]:
    """As the client is told them; a door without such words resumes what it follows."""
    for effect in effects:
        if isinstance(effect, Send) and isinstance(effect.event, Resumed):
            yield from (row.verdict for row in effect.event.answers)
            return
    for effect in effects:
        if isinstance(effect, Follow):
            yield Verdict.SNAPSHOT if effect.first == 0 else Verdict.RESUMED


def _foreign(ask: commands.Ask) -> commands.InvalidCommand:
    return commands.InvalidCommand(ErrorCode.FORBIDDEN, "That namespace is not yours.", id=ask.reply_to)


def _unknown(session: Conversation, answer: str) -> Sequence[Effect]:
    return session.failed(ErrorCode.UNKNOWN_ANSWER, "You have no such answer.", answer=answer)


def _options(ask: commands.Ask, caller: str) -> Mapping[str, Any]:
    """With the turns and the place that the client tells, which only `history` and `after` may bring, and with the
    caller's span."""
    options = {name: value for name, value in ask.options.items() if name not in (HISTORY, AFTER, CALLER)}
    if ask.history is not None:
        options[HISTORY] = [[turn.question, turn.answer] for turn in ask.history]
    if ask.after is not None:
        options[AFTER] = ask.after
    if caller:
        options[CALLER] = caller
    return options
