"""`/ws/ai-sdk`: the frames of `WebSocketChatTransport` of npm `ai` 7, as a conversation over the same log. Pure.

Theory of operation
    The transport names each request (`requestId`) and reads one answer under it: its entries numbered from 0, then
    `end`. The numbers are the log's own, so a frame of the log becomes one of this door by another beginning. A
    resume always tells the chat's newest answer from its start, which is what the transport asks for.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

from chatserver.answers.meta import AnswerMeta
from chatserver.answers.states import AnswerState
from chatserver.protocol import commands, events
from chatserver.protocol.codes import CloseCode, ErrorCode
from chatserver.protocol.commands import Identifier, InvalidCommand
from chatserver.protocol.session import Close, Effect, Follow, Form, Limits, Perform, Send, Unfollow
from chatserver.protocol.sparse import Sparse
from chatserver.protocol.ui_messages import Body, ChatRequest, asked

MESSAGES = 12
"""A request holds the whole chat, with what was found for each answer: so many times a command's length."""


class RequestFrame(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    request: Identifier = Field(alias="requestId")


class BodyFrame(RequestFrame):
    body: Body = Body()


class ResumeFrame(RequestFrame):
    id: Identifier


class Ask(commands.Ask):
    request: str

    @property
    def reply_to(self) -> str:
        return self.request


class Resume(commands.Resume):
    request: str

    @property
    def reply_to(self) -> str:
        return self.request


class Stop(commands.Stop):
    request: str

    @property
    def reply_to(self) -> str:
        return self.request


class Reply(Sparse):
    type: Literal["start", "end", "error", "no-active"]
    request: str = Field(serialization_alias="requestId")
    errorText: str | None = None
    code: ErrorCode | None = None
    retry_after_ms: int | None = None


class AiSdkSession:
    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._closed = False
        self._retry_after_ms: int | None = None
        self._answers: dict[str, str | None] = {}
        """Open requests, and the answer that each reads, once it is known."""
        self._aborted: set[str] = set()
        """Those among them that were given up before that."""

    @property
    def closed(self) -> bool:
        return self._closed

    def opened(self, welcome: events.Welcome) -> list[Effect]:
        return []

    def receive(self, frame: str | bytes) -> list[Effect]:
        if self._closed:
            return []
        try:
            kind, request, value = self._read(frame)
            if kind == "abort":
                return self._abort(request)
            if request in self._answers:
                raise InvalidCommand(ErrorCode.INVALID_FIELD, "requestId: it is in use.")
            command = self._ask(request, value) if kind == "send" else _resume(request, value)
        except InvalidCommand as error:
            return self._refuse(error)
        if kind == "send" and self._retry_after_ms is not None:
            message = "This server is restarting; ask again after reconnecting."
            return self.failed(ErrorCode.DRAINING, message, id=request, retry_after_ms=self._retry_after_ms)
        self._answers[request] = None
        return [Perform(command)]

    def asked(self, ask: commands.Ask, meta: AnswerMeta) -> list[Effect]:
        return self._follow(ask.reply_to or "", meta, [])

    def resumed(
        self, resume: commands.Resume, pending: Sequence[AnswerMeta], known: Mapping[str, AnswerMeta]
    ) -> list[Effect]:
        request = resume.reply_to or ""
        if self._closed:
            return []
        if not pending:
            self._forget(request)
            return [Send(Reply(type="no-active", request=request))]
        newest = max(pending, key=lambda meta: meta.question.asked_at)
        return self._follow(request, newest, [Send(Reply(type="start", request=request))])

    def failed(
        self,
        code: ErrorCode,
        message: str,
        *,
        id: str | None = None,
        answer: str | None = None,
        retry_after_ms: int | None = None,
    ) -> list[Effect]:
        if self._closed or id is None:
            return []
        self._forget(id)
        told = Reply(type="error", request=id, errorText=message, code=code, retry_after_ms=retry_after_ms)
        return [Send(told)]

    def ended(self, delivery: str, seq: int, state: AnswerState) -> list[Effect]:
        self._forget(delivery)
        return [] if self._closed else [Send(Reply(type="end", request=delivery))]

    def drain(self, retry_after_ms: int) -> list[Effect]:
        """There is no frame for it: the transport hears of a restart by the close."""
        self._retry_after_ms = retry_after_ms
        return []

    def close(self, code: CloseCode, reason: str) -> list[Effect]:
        if self._closed:
            return []
        self._closed = True
        return [Close(code, reason)]

    def _read(self, frame: str | bytes) -> tuple[str, str, dict[str, Any]]:
        """Type, request id and all of a frame. Raises `InvalidCommand`, under the request's id if it has one."""
        value = commands.json_object(commands.checked_frame(frame, MESSAGES * self._limits.max_message_bytes))
        request = commands.validated(RequestFrame, value).request
        kind = value.get("type")
        if kind not in ("send", "resume", "abort"):
            raise InvalidCommand(ErrorCode.UNKNOWN_TYPE, "Known types are abort, resume, send.", id=request)
        return kind, request, value

    def _ask(self, request: str, value: dict[str, Any]) -> Ask:
        body = commands.validated(BodyFrame, value, id=request).body
        try:
            fields = asked(commands.validated(ChatRequest, value, id=request), body, fresh=request)
            ask = Ask.model_validate({"type": "ask", "request": request, **fields})
        except InvalidCommand as error:
            raise InvalidCommand(error.code, error.message, id=request) from None
        commands.check_question(ask, self._limits.max_question_characters)
        return ask

    def _follow(self, request: str, meta: AnswerMeta, told: list[Effect]) -> list[Effect]:
        if self._closed:
            return []
        if request in self._aborted:
            self._forget(request)
            return [Perform(Stop(type="stop", answer=meta.answer, request=request))]
        self._answers[request] = meta.answer
        form = chunk_form(request, meta)
        return [*told, Follow(meta.answer, meta.epoch, 0, meta.head, form, request)]

    def _abort(self, request: str) -> list[Effect]:
        """The reader has pressed stop: of a request that is over there is nothing to stop."""
        if request not in self._answers:
            return []
        answer = self._answers[request]
        if answer is None:
            self._aborted.add(request)
            return []
        self._forget(request)
        return [Unfollow(request), Perform(Stop(type="stop", answer=answer, request=request))]

    def _refuse(self, error: InvalidCommand) -> list[Effect]:
        """Without a request there is no frame that the transport would take: it is told by the close."""
        if error.id is None:
            return self.close(CloseCode.POLICY, error.code)
        return self.failed(error.code, error.message, id=error.id)

    def _forget(self, request: str) -> None:
        self._answers.pop(request, None)
        self._aborted.discard(request)


def chunk_form(request: str, meta: AnswerMeta) -> Form:
    """A chat.v1 frame of this answer to the `chunk` frame of this request: everything from the number on is the
    same in both."""
    (native,) = events.chunk_frames(meta.answer, meta.epoch, 0, [b""])
    same_from = native.index('0,"chunk":')
    head = f'{{"type":"chunk","requestId":{orjson.dumps(request).decode()},"sequence":'
    return lambda frame: head + frame[same_from:]


def _resume(request: str, value: dict[str, Any]) -> Resume:
    chat = commands.validated(ResumeFrame, value, id=request).id
    return Resume(type="resume", chat=chat, request=request)
