"""One answer, entry by entry."""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from chatserver.client.errors import AnswerGone, ClientError, Rejected
from chatserver.client.events import Chunk, Cursor, Fault, ResumedAnswer, Told
from chatserver.client.feed import Feed, Step
from chatserver.client.transcript import Answer, Transcript

MAX_WAITING: Final = 1024
"""Entries that wait for a consumer. What does not fit is dropped here and fetched again from the log."""

MAX_REFUSALS: Final = 10
"""Times that a question is asked again when the server says "later"."""

DRAINING: Final = "draining"
"""A refusal that is not counted: a drain ends by itself, and the next process takes the question."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of an answer's log. `reset` marks the first entry of a new telling (the server's log was lost or
    rolled back): whatever was shown of this answer before is void."""

    answer: str
    epoch: str
    seq: int
    chunk: Chunk
    replay: bool = False
    reset: bool = False


class Link(Protocol):
    """What a stream needs from its client."""

    async def send(self, command: Mapping[str, Any]) -> None: ...

    async def open(self, stream: "AnswerStream") -> None: ...

    async def pause(self, seconds: float) -> None: ...

    async def catch_up(self, chat: str) -> None: ...

    async def acknowledge(self, answer: str, seq: int) -> None: ...


class AnswerStream:
    """Iterate to get every entry once, in order, across reconnects, until the answer is sealed. The question is sent
    when iteration starts; leaving it early ends nothing on the server. `answer` is what the entries taken so far
    show. Only one task may iterate.

    Raises `Rejected` when the server refuses the question, `AnswerGone`, `Refused`, `Closed` or `Unreachable`.
    """

    def __init__(
        self,
        link: Link,
        *,
        chat: str,
        question: Mapping[str, Any] | None = None,
        answer: str = "",
        cursor: Cursor | None = None,
    ) -> None:
        self._link = link
        self.id = answer
        """The answer's id; empty until the question is accepted."""
        self.chat = chat
        self.question = question
        """The `ask` command while the server has not accepted it: told again, with its id, by each new connection."""
        self.feed = Feed(cursor)
        text = question["text"] if question else ""
        self._transcript = Transcript(Answer(answer, chat, text))
        self._waiting: deque[Entry] = deque()
        self._changed = asyncio.Event()
        self._failure: ClientError | None = None
        self._opened = question is None
        self._lagging = False
        self._refusal: Fault | None = None
        self._refusals = 0
        self._acknowledged = False
        self.stop_wanted = False

    @property
    def answer(self) -> Answer:
        return self._transcript.answer

    @property
    def cursor(self) -> Cursor:
        """The last entry that has arrived (it may still wait to be taken)."""
        return self.feed.cursor(self.id)

    def __aiter__(self) -> "AnswerStream":
        return self

    async def __anext__(self) -> Entry:
        if not self._opened:
            self._opened = True
            await self._link.open(self)
        while not self._waiting:
            if self._failure is not None:
                raise self._failure
            if self._refusal is not None:
                await self._ask_again(self._refusal)
            elif self._lagging:
                self._lagging = False
                await self._link.catch_up(self.chat)
            elif self.feed.sealed:
                await self._acknowledge()
                raise StopAsyncIteration
            else:
                self._changed.clear()
                await self._changed.wait()
        return self._show(self._waiting.popleft())

    async def result(self) -> Answer:
        """The whole answer, when it is sealed."""
        async for _ in self:
            pass
        return self.answer

    async def stop(self) -> None:
        """Ends the generation; its text stays. The stream then ends with an `abort` entry."""
        self.stop_wanted = True
        if self.id:
            await self._link.send({"type": "stop", "answer": self.id})

    # What the client tells its streams.

    def accept(self, answer: str, epoch: str) -> None:
        self.question = None
        self.id = answer
        self._transcript.identify(answer)
        self.feed.begin(epoch)

    def offer(self, told: Told) -> Step:
        """Takes the entry when it is the next one and there is room."""
        if len(self._waiting) >= MAX_WAITING:
            self._lagging = True
            return Step.DUPLICATE
        step = self.feed.take(told)
        if step in (Step.NEXT, Step.RESTART):
            reset = step is Step.RESTART
            self._waiting.append(Entry(told.answer, told.epoch, told.seq, told.chunk, told.replay, reset))
            self._changed.set()
        return step

    def misses(self, seq: int) -> bool:
        """Whether entries up to `seq` have been told and did not arrive. (What was dropped for want of room is
        fetched when there is room.)"""
        return self.feed.next <= seq and not self._lagging

    def resumed(self, told: ResumedAnswer) -> None:
        if told.verdict == "gone":
            self.fail(AnswerGone(f"the server does not have answer {told.answer}"))
        elif told.verdict == "snapshot":
            self.feed.snapshot(told.epoch, told.head)

    def retry(self, refusal: Fault) -> None:
        """The server can't take the question now, and says when to ask again."""
        self._refusal = refusal
        self._changed.set()

    def fail(self, error: ClientError) -> None:
        if not self.feed.sealed:
            self._failure = error
            self._changed.set()

    def _show(self, entry: Entry) -> Entry:
        if entry.reset:
            shown = self._transcript.answer
            self._transcript = Transcript(Answer(shown.id, shown.chat, shown.question))
        self._transcript.add(entry.chunk)
        return entry

    async def _ask_again(self, refusal: Fault) -> None:
        self._refusal = None
        self._refusals += refusal.code != DRAINING
        if self._refusals > MAX_REFUSALS or refusal.retry_after_s is None:
            raise Rejected(refusal.code, refusal.message)
        await self._link.pause(refusal.retry_after_s)
        await self._link.open(self)

    async def _acknowledge(self) -> None:
        """Asking for more after the last entry says that it was shown."""
        if not self._acknowledged:
            self._acknowledged = True
            await self._link.acknowledge(self.id, self.feed.next - 1)
