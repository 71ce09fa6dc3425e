"""One answer as the body of one HTTP response: a conversation that only tells. Pure.

Server-sent events are lines of text (HTML Standard, section 9.2); an entry's JSON holds no line break.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from chatserver.answers.meta import AnswerMeta
from chatserver.answers.position import Cursor, Verdict, resume_point
from chatserver.answers.states import AnswerState
from chatserver.protocol import commands, events
from chatserver.protocol.codes import CloseCode, ErrorCode
from chatserver.protocol.session import Close, Effect, Follow, Form, Send

_MARK = '"seq":0,"chunk":'


@dataclass(frozen=True, slots=True)
class Text:
    """What a response body has next."""

    text: str

    def frame(self) -> str:
        return self.text


def _nothing(*_: object) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Script:
    """How an answer is told on one response: what comes before its entries, each entry (see `Follow`), what comes
    after the last one, and what is said of a restart (in so many ms) and of an end that comes too early."""

    entry: Form
    before: str = ""
    after: Callable[[int, AnswerState], str] = _nothing
    restart: Callable[[int], str] = _nothing
    broken: Callable[[CloseCode, str], str] = _nothing


class Telling:
    """Follows one answer from `first` on and closes after its end."""

    def __init__(self, meta: AnswerMeta, script: Script, first: int = 0) -> None:
        self.whole = False
        """The answer's end was told."""
        self._meta = meta
        self._script = script
        self._first = first
        self._closed = False

    @property
    def closed(self) -> bool:
        return self._closed

    def opened(self, welcome: events.Welcome) -> list[Effect]:
        follow = Follow(self._meta.answer, self._meta.epoch, self._first, self._meta.head, self._script.entry)
        return [*_said(self._script.before), follow]

    def receive(self, frame: str | bytes) -> list[Effect]:
        return []  # a request says everything at once

    def asked(self, ask: commands.Ask, meta: AnswerMeta) -> list[Effect]:
        return []

    def resumed(
        self, resume: commands.Resume, pending: Sequence[AnswerMeta], known: Mapping[str, AnswerMeta]
    ) -> list[Effect]:
        return []

    def failed(
        self,
        code: ErrorCode,
        message: str,
        *,
        id: str | None = None,
        answer: str | None = None,
        retry_after_ms: int | None = None,
    ) -> list[Effect]:
        return []

    def ended(self, delivery: str, seq: int, state: AnswerState) -> list[Effect]:
        if self._closed:
            return []
        self.whole = self._closed = True
        return [*_said(self._script.after(seq, state)), Close(CloseCode.DONE, "")]

    def drain(self, retry_after_ms: int) -> list[Effect]:
        return [] if self._closed else _said(self._script.restart(retry_after_ms))

    def close(self, code: CloseCode, reason: str) -> list[Effect]:
        if self._closed:
            return []
        self._closed = True
        return [*_said(self._script.broken(code, reason)), Close(code, reason)]


def _said(text: str) -> list[Effect]:
    return [Send(Text(text))] if text else []


def entry_of(meta: AnswerMeta) -> Callable[[str], str]:
    """The JSON of the entry in a chat.v1 frame of this answer."""
    start = _seq_at(meta)
    return lambda frame: frame[frame.index(":", start) + 1 : -1]


def ui_stream(meta: AnswerMeta) -> Script:
    """The UI message stream of the AI SDK. A restart has no word in it: the response breaks off."""
    entry = entry_of(meta)
    return Script(lambda frame: f"data: {entry(frame)}\n\n", after=lambda seq, state: "data: [DONE]\n\n")


def event_stream(meta: AnswerMeta, last_event_id: str | None) -> tuple[Script, int]:
    """Plain events, each with its place as its id, and the seq after the client's place. A place that is not of this
    log is told to be void before everything comes again."""
    verdict, first = resume_point(_cursor(meta.answer, last_event_id), meta.epoch, meta.head)
    start, entry = _seq_at(meta), entry_of(meta)
    void = verdict is Verdict.SNAPSHOT and last_event_id is not None

    def event(frame: str) -> str:
        return f"id: {meta.epoch}:{frame[start : frame.index(',', start)]}\ndata: {entry(frame)}\n\n"

    def end(seq: int, state: AnswerState) -> str:
        return f"event: end\ndata: {events.End(answer=meta.answer, seq=seq, state=state).frame()}\n\n"

    before = "event: snapshot\ndata: {}\n\n" if void else ""
    return Script(event, before, end, restart=lambda ms: f"retry: {ms}\n\n"), first


def has_all(meta: AnswerMeta, last_event_id: str | None) -> bool:
    """Whether a client at this place has the answer to its end: then it need not come again."""
    cursor = _cursor(meta.answer, last_event_id)
    return meta.state.sealed and cursor is not None and (cursor.epoch, cursor.seq) == (meta.epoch, meta.head - 1)


def _cursor(answer: str, place: str | None) -> Cursor | None:
    epoch, _, seq = (place or "").partition(":")
    return Cursor(answer, epoch, int(seq)) if seq.isascii() and seq.isdecimal() and len(seq) < 16 else None


def _seq_at(meta: AnswerMeta) -> int:
    """Where a chat.v1 frame of this answer has its number."""
    (frame,) = events.chunk_frames(meta.answer, meta.epoch, 0, [b""])
    return frame.index(_MARK) + len('"seq":')
