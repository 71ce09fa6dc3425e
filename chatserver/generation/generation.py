"""One generation: from a claim on an answer to its seal.

Theory of operation
    The pipeline tells entries into a bounded buffer; the flusher takes what has gathered and appends it as a batch:
    the first entries of a stream at once, later ones after a short linger, so that a commit is shared by many.
    A batch keeps its id while it is tried again, so a lost reply can't double it.

    A generation ends in one of five ways:
      told       the pipeline's own terminal entry (or `error` when the pipeline broke);
      stopped    somebody asked for it: the open text is closed with its citations, `abort` seals, the partial text
                 stays;
      handed     the claim is released without a seal: another process goes on (drain);
      keyless    the asker's own key is not here: as if stopped, but sealed as failed;
      fenced     another owner has taken over: nothing more is appended, the model call is cancelled.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from enum import Enum, auto

import structlog

from chatserver.answers.log import AnswerLog, Batch, Claim, Fenced, LogUnavailable
from chatserver.answers.meta import AnswerMeta
from chatserver.answers.states import AnswerState, sealed_by
from chatserver.generation.buffer import EntryBuffer
from chatserver.generation.continuation import Continuation
from chatserver.generation.watch import UNWATCHED, GenerationWatch
from chatserver.pipeline.port import Pipeline, Question
from chatserver.protocol import chunks
from chatserver.protocol.chunks import Chunk, Citation
from chatserver.tracing.port import UNTRACED, Tracer

log = structlog.get_logger(__name__)

_RETRY_S = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Waits between appends while the log is away; the last one repeats."""

_KEYLESS = "The server that was writing this answer with your own key is gone, and the key is kept nowhere: ask again."

_CITE_S = 2.0
"""For the citations of a stopped text; after it the text is closed without."""

_MILESTONES = {"data-retrieval": "retrieved", "text-start": "first_text", "text-end": "last_text"}


@dataclass(frozen=True, slots=True)
class Pace:
    """How entries become batches, and how long a claim lasts without a sign of life."""

    lease_s: float = 5.0
    linger_s: float = 0.02
    batch_entries: int = 256  # a cap that only a flat-out model reaches: 32 cost it 4 us more per entry
    buffer_entries: int = 1024


class _End(Enum):
    STOPPED = auto()
    HANDED = auto()
    BROKEN = auto()
    KEYLESS = auto()


class Generation:
    def __init__(
        self,
        claim: Claim,
        meta: AnswerMeta,
        question: Question,
        continuation: Continuation,
        *,
        answers: AnswerLog,
        pipeline: Pipeline,
        pace: Pace,
        clock: Callable[[], float],
        batch_id: Callable[[], str],
        watch: GenerationWatch = UNWATCHED,
        tracer: Tracer = UNTRACED,
    ) -> None:
        self.meta = meta
        self.claim = claim
        self.started_at = clock()
        self.progress_at = self.started_at
        self.head = meta.head
        self._question = question
        self._continuation = continuation
        self._answers = answers
        self._pipeline = pipeline
        self._pace = pace
        self._clock = clock
        self._batch_id = batch_id
        self._watch = watch
        self._tracer = tracer
        self._buffer = EntryBuffer(pace.buffer_entries)
        self._telling: asyncio.Timeout | None = None
        self._end: _End | None = None
        self._open_text: str | None = None
        self._said: list[str] = []
        self._steps: list[Chunk] = list(continuation.told)
        self._begun = bool(continuation.told)
        self._told = False
        self._marks: dict[str, float] = {"claimed": self.started_at}
        self._ended = "handed over"
        self._batches, self._waited_s = 0, 0.0

    async def run(self) -> None:
        """Until the answer is sealed, handed over or lost to another owner. Cancelling leaves the claim to expire."""
        answer, claim = self.claim.answer, self.claim
        with (
            self._tracer.answer(answer, self.meta.question.caller),
            self._tracer.span("generation", owner=claim.owner, owners=claim.generation) as span,
        ):
            await self._run()
            span.note(entries=self.head, end=self._ended)

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                heartbeat = group.create_task(self._keep_claim())
                group.create_task(self._tell())
                with self._tracer.span("log") as span:
                    try:
                        await self._flush()
                    finally:
                        span.note(batches=self._batches, waited_ms=round(self._waited_s * 1000, 1))
                heartbeat.cancel()
        except* Fenced:
            self._ended = "fenced"
            self._watch.fenced()
            log.info("generation fenced", answer=self.claim.answer, generation=self.claim.generation)

    def stop(self) -> None:
        """End it and keep what was told. Idempotent."""
        self._finish_early(_End.STOPPED)

    def hand_over(self) -> None:
        """End it without a seal, so that another process continues. Idempotent."""
        self._finish_early(_End.HANDED)

    def lose_key(self) -> None:
        """End it as failed and keep what was told: only its asker's own key may pay for more. Idempotent."""
        self._finish_early(_End.KEYLESS)

    def _finish_early(self, end: _End) -> None:
        if self._end is None:
            self._end = end
            if self._telling is not None:
                self._telling.reschedule(asyncio.get_running_loop().time())

    async def _tell(self) -> None:
        try:
            async with asyncio.timeout(None) as self._telling:
                if self._end is None:
                    await self._continue()
                else:  # stopped before it began: what an earlier owner has shown stays
                    self._open_text, self._said = self._continuation.open_text, [self._continuation.text]
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is None or task.cancelling():
                raise
            self._break()  # not we were cancelled, but something that the pipeline waited for
        except Exception as error:
            if self._end is None or not isinstance(error, TimeoutError):  # else it is `_finish_early`'s
                self._break()
        self._telling = None
        for chunk in await self._last_words():
            await self._buffer.put(chunk)
        self._buffer.close()

    def _break(self) -> None:
        log.exception("pipeline broke", answer=self.claim.answer)
        self._end = self._end or _End.BROKEN

    async def _continue(self) -> None:
        for chunk in self._continuation.withdraw:
            await self._buffer.put(chunk)
        entries = self._pipeline.run(self._question, self._continuation.told)
        async with aclosing(entries):
            async for chunk in entries:
                if not self._buffer.offer(chunk):
                    await self._buffer.put(chunk)
                match chunk["type"]:
                    case "text-delta":
                        self._said.append(chunk["delta"])
                        continue
                    case "start":
                        self._begun = True
                    case "text-start":
                        self._open_text, self._said = chunk["id"], []
                    case "text-end":
                        self._open_text = None
                    case kind if kind in chunks.TERMINAL:
                        self._told = True
                        return
                self._steps.append(chunk)
        raise RuntimeError("the pipeline ended without a terminal entry")

    async def _last_words(self) -> Sequence[Chunk]:
        """What closes the log of an answer that did not end by itself."""
        if self._told or self._end is _End.HANDED:
            return ()
        closing = [] if self._begun else [chunks.start(self.claim.answer)]
        if self._open_text is not None:
            closing.append(chunks.text_end(self._open_text, await self._citations()))
        if self._end is _End.STOPPED:
            return (*closing, chunks.abort("stopped"))
        if self._end is _End.KEYLESS:
            return (*closing, chunks.error(_KEYLESS, "provider_key_lost"))
        return (*closing, chunks.error("Something went wrong on our side.", "internal"))

    async def _citations(self) -> Sequence[Citation]:
        """What the text so far rests on; an end waits for it a little, and fails by nothing in it."""
        try:
            async with asyncio.timeout(_CITE_S):
                return await self._pipeline.citations(self._question, self._steps, "".join(self._said))
        except Exception:
            log.exception("stopped text not cited", answer=self.claim.answer)
            return ()

    async def _flush(self) -> None:
        linger_s = 0.0
        while batch := await self._buffer.take(self._pace.batch_entries, linger_s=linger_s):
            last, _ = batch[-1]
            seal = sealed_by(last)
            await self._append(Batch(self._batch_id(), self.head, [entry for _, entry in batch], seal))
            self._note([chunk for chunk, _ in batch])
            if seal is not None:
                await self._sealed(seal)
                return
            linger_s = self._pace.linger_s if last["type"] == "text-delta" else 0.0
        try:
            await self._answers.release(self.claim)
            self._watch.handed_over()
        except LogUnavailable as error:
            log.warning("claim not released, it will expire", answer=self.claim.answer, error=str(error))

    def _note(self, batch: Sequence[Chunk]) -> None:
        """Remembers when the milestones of the answer's life became visible."""
        for chunk in batch:
            if (kind := chunk["type"]) == "text-delta":
                continue
            self._watch.told(chunk)
            if (name := _MILESTONES.get(kind)) is not None:
                if name == "last_text":
                    self._marks.pop(name, None)
                if name == "first_text" and name not in self._marks:
                    self._watch.first_text(self.progress_at - self.meta.question.asked_at)
                self._marks.setdefault(name, self.progress_at)

    async def _sealed(self, state: AnswerState) -> None:
        self._ended = str(state)
        self._marks["sealed"] = self.progress_at
        self._watch.sealed(state, self.progress_at - self.meta.question.asked_at)
        try:
            await self._answers.mark(self.claim.answer, self._marks)
        except LogUnavailable as error:
            log.warning("timeline not kept", answer=self.claim.answer, error=str(error))
        tell = log.warning if state is AnswerState.FAILED else log.info
        tell("answer sealed", answer=self.claim.answer, state=state, entries=self.head, **self._marks)

    async def _append(self, batch: Batch) -> None:
        attempt, began = 0, self._clock()
        while True:
            try:
                appended = await self._answers.append(self.claim, batch, self._pace.lease_s)
                break
            except LogUnavailable as error:
                wait_s = _RETRY_S[min(attempt, len(_RETRY_S) - 1)]
                if attempt == 0:
                    log.warning("append failed, trying again", answer=self.claim.answer, error=str(error))
                attempt += 1
                self._watch.append_failed()
                await asyncio.sleep(wait_s)
        self.head = appended.head
        self.progress_at = self._clock()
        took_s = max(0.0, self.progress_at - began)
        self._batches += 1
        self._waited_s += took_s
        self._watch.appended(len(batch.entries), took_s)
        if appended.stop_requested:
            self.stop()

    async def _keep_claim(self) -> None:
        while True:
            await asyncio.sleep(self._pace.lease_s / 3)
            try:
                if await self._answers.renew(self.claim, self._pace.lease_s):
                    self.stop()
            except LogUnavailable as error:
                log.warning("renewal failed", answer=self.claim.answer, error=str(error))
