"""All generations of this process: the registry of what is in flight, starting, stopping, taking over, draining."""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import orjson
import structlog

from chatserver.answers.branches import before
from chatserver.answers.document import read_chunks, read_document
from chatserver.answers.log import AnswerLog, Batch, Claim, LogUnavailable, Ring
from chatserver.answers.log_context import begin_answer, name_caller, name_question
from chatserver.answers.meta import HISTORY, AnswerMeta, NewAnswer
from chatserver.answers.states import AnswerState
from chatserver.answers.turns import startable
from chatserver.generation.continuation import continue_after
from chatserver.generation.generation import Generation, Pace
from chatserver.generation.keys import ProviderKeys
from chatserver.generation.watch import UNWATCHED, GenerationWatch
from chatserver.models.port import Turn
from chatserver.pipeline.port import Pipeline, Question
from chatserver.protocol import chunks
from chatserver.tracing.port import UNTRACED, Tracer

log = structlog.get_logger(__name__)

MAX_OWNERS = 25
"""Claims that one answer may use up, hand-overs of drains included."""
KEY_GRACE_S = 30.0
"""For how long a question with its asker's own key, not begun yet, is left to the process that has the key."""
_LOOK_S = 0.05
_LOOK_AT_LEAST_S = 0.25  # how long an answer that another process has handed over waits for us at most


@dataclass(frozen=True, slots=True)
class InFlight:
    """One generation as an operator sees it. Times are seconds since the Unix epoch."""

    answer: str
    chat: str
    user: str
    owner: str
    generation: int
    head: int
    started_at: float
    progress_at: float


class Generations:
    """`async with Generations(…)`: leaving it cancels what still runs; `drain` first to lose no time. With `jobs` it
    runs the jobs of the log, else it answers its questions. With `seeks` it looks itself for what has no owner, else it
    is told by `perform`."""

    def __init__(
        self,
        answers: AnswerLog,
        pipeline: Pipeline,
        *,
        pace: Pace,
        owner: str,
        max_running: int = 64,
        max_each: int | None = None,
        history_turns: int = 6,
        max_owners: int = MAX_OWNERS,
        jobs: bool = False,
        seeks: bool = True,
        watch: GenerationWatch = UNWATCHED,
        tracer: Tracer = UNTRACED,
        clock: Callable[[], float] = time.time,
        batch_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._answers = answers
        self._pipeline = pipeline
        self._pace = pace
        self._owner = owner
        self._max_running = max_running
        self._max_each = max_each
        self._history_turns = history_turns
        self._max_owners = max_owners
        self._jobs = jobs
        self._seeks = seeks
        self._watch = watch
        self._tracer = tracer
        self._clock = clock
        self._batch_id = batch_id
        self._keys = ProviderKeys()
        self._running: dict[str, Generation] = {}
        self._starting: dict[str, str] = {}
        """Answers that are about to run, each with its user."""
        self._group = asyncio.TaskGroup()
        self._look = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._is_crowded = False
        self._draining = False
        self._handing_over = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._unlisten: Callable[[], object] = lambda: None

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        self._unlisten = self._answers.listen(self._ring, lambda: bool(self._running))
        self._spawn(self._take_over(), "take over")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._unlisten()
        self._draining = True
        for task in self._tasks:
            task.cancel()
        await self._group.__aexit__(kind, error, trace)

    async def ask(self, new: NewAnswer, *, provider_key: str | None = None) -> AnswerMeta:
        """Makes the question durable and starts answering it. A known ask id gives the first answer. The key is held
        in this process alone: whoever takes such an answer over without it seals it as failed. Raises
        `LogUnavailable`."""
        meta, fresh = await self._answers.create(replace(new, own_key=provider_key is not None))
        if fresh:
            self._watch.asked()
            if provider_key is not None:
                self._keys.keep(meta.answer, provider_key)
            if self._is_crowded:
                self._look.set()  # others have waited for longer
            else:
                self._start_of([(meta.answer, new.user)])
        return meta

    async def perform(self, answer: str) -> None:
        """Runs this answer if it can be claimed, until it has ended here: sealed, handed over or lost to another."""
        if not self._draining and answer not in self._running and answer not in self._starting:
            self._starting[answer] = ""
            self._idle.clear()
            await self._run(answer)

    async def stop(self, user: str, answer: str) -> AnswerMeta | None:
        """None when the user has no such answer; of a sealed one nothing changes."""
        meta = await self._answers.request_stop(user, answer)
        if meta is not None and (running := self._running.get(answer)):
            running.stop()
        return meta

    def __len__(self) -> int:
        """How many run here."""
        return len(self._running)

    def inflight(self) -> list[InFlight]:
        return [_in_flight(generation) for generation in self._running.values()]

    async def drain(self, budget_s: float) -> int:
        """Takes no new answer, gives the running ones `budget_s` to end, hands the rest over; returns how many were
        handed over. Returns once their claims are released, or would have expired while the log is away."""
        self._draining = True
        try:
            async with asyncio.timeout(budget_s):
                await self._idle.wait()
        except TimeoutError:
            pass
        self._handing_over = True
        handed = len(self._running) + len(self._starting)
        for generation in self._running.values():
            generation.hand_over()
        try:
            async with asyncio.timeout(self._pace.lease_s):
                await self._idle.wait()
        except TimeoutError:
            log.warning("claims not released, they will expire", answers=list(self._running))
        return handed

    def _start_of(self, waiting: Sequence[tuple[str, str]]) -> None:
        """Starts those of the waiting `(answer, user)` pairs whose turn it is."""
        self._is_crowded = False
        users = [generation.meta.question.user for generation in self._running.values()]
        for answer, user in startable(waiting, Counter([*users, *self._starting.values()]), each=self._max_each):
            self._start(answer, user)

    def _start(self, answer: str, user: str) -> None:
        if self._draining or answer in self._running or answer in self._starting:
            return
        if self._is_full:
            self._is_crowded = True  # it stays queued in the log; a place that becomes free looks for it
            return
        self._starting[answer] = user
        self._idle.clear()
        self._spawn(self._run(answer), f"generation {answer}")

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = self._group.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, answer: str) -> None:
        begin_answer(answer)
        try:
            claimed = await self._answers.claim(answer, self._owner, self._pace.lease_s)
            if claimed is not None and claimed[0].generation > self._max_owners:
                await self._give_up(*claimed)
            elif claimed is not None:
                name_question(claimed[1].question.chat, claimed[1].question.text)
                name_caller(claimed[1].question.caller)
                self._watch.began(claimed[0].generation)
                generation = await self._prepare(*claimed)
                self._running[answer] = generation
                del self._starting[answer]
                if claimed[1].stop_requested:
                    generation.stop()
                if claimed[1].question.own_key and self._keys.of(answer) is None:
                    generation.lose_key()
                if self._handing_over:
                    generation.hand_over()
                await generation.run()
                self._keys.forget(answer)
        except LogUnavailable as error:
            log.warning("answer not started, will be tried again", answer=answer, error=str(error))
        except Exception:
            log.exception("generation failed, its lease will expire", answer=answer)
        finally:
            self._running.pop(answer, None)
            self._starting.pop(answer, None)
            self._look.set()
            if not self._running and not self._starting:
                self._idle.set()

    async def _give_up(self, claim: Claim, meta: AnswerMeta) -> None:
        """Seals an answer that has ended so many owners: the next one would fare no better."""
        log.error("answer given up", answer=meta.answer, owners=claim.generation)
        begun = [] if meta.head else [chunks.start(meta.answer)]
        told = [*begun, chunks.error("This answer could not be completed, after many tries.", "too_many_attempts")]
        entries = [orjson.dumps(chunk) for chunk in told]
        await self._answers.append(
            claim, Batch(self._batch_id(), meta.head, entries, AnswerState.FAILED), self._pace.lease_s
        )
        self._watch.sealed(AnswerState.FAILED, max(0.0, self._clock() - meta.question.asked_at))

    async def _prepare(self, claim: Claim, meta: AnswerMeta) -> Generation:
        logged = await read_chunks(self._answers, meta)
        return Generation(
            claim,
            meta,
            _question(meta, await self._history(meta), self._keys.of(meta.answer)),
            continue_after(logged),
            answers=self._answers,
            pipeline=self._pipeline,
            pace=self._pace,
            clock=self._clock,
            batch_id=self._batch_id,
            watch=self._watch,
            tracer=self._tracer,
        )

    async def _history(self, meta: AnswerMeta) -> tuple[Turn, ...]:
        """The last turns before this question, oldest first: those that the asker told, else those of the log on the
        question's own branch of the chat."""
        if (told := meta.question.options.get(HISTORY)) is not None:
            return tuple([Turn(*turn) for turn in told[max(0, len(told) - self._history_turns) :]])
        if not self._history_turns:
            return ()
        chat = await self._answers.chat(meta.question.user, meta.question.chat)
        earlier = [other for other in before(chat, meta.answer) if other.state.sealed]
        return tuple(
            [
                Turn(other.question.text, (await read_document(self._answers, other)).text)
                for other in earlier[max(0, len(earlier) - self._history_turns) :]
            ]
        )

    async def _take_over(self) -> None:
        """Looks for answers without a living owner, and for stops asked for elsewhere: at start, after each end,
        when another process has written, and as often as leases can expire."""
        while not self._draining:
            try:
                await self._look_around()
            except LogUnavailable as error:
                log.warning("cannot look for waiting answers", error=str(error))
            await asyncio.sleep(_LOOK_S)  # many rings are one look
            try:
                async with asyncio.timeout(min(self._pace.lease_s / 5, _LOOK_AT_LEAST_S)):
                    await self._look.wait()
            except TimeoutError:
                pass

    async def _look_around(self) -> None:
        self._look.clear()
        waiting = [await self._answers.meta(answer) for answer in await self._claimable()]
        if waiting or not self._is_full:
            self._start_of(
                [(meta.answer, meta.question.user) for meta in waiting if meta and not self._has_a_keeper(meta)]
            )
        if self._running:
            for answer in await self._answers.stop_requests(self._owner):
                if answer in self._running:
                    self._running[answer].stop()

    @property
    def _is_full(self) -> bool:
        return len(self._running) + len(self._starting) >= self._max_running

    async def _claimable(self) -> list[str]:
        """Without a free place nothing is looked for."""
        if self._is_full or not self._seeks:
            return []
        found = await self._answers.claimable(self._max_running, jobs=self._jobs)
        return [answer for answer in found if answer not in self._running and answer not in self._starting]

    def _has_a_keeper(self, meta: AnswerMeta) -> bool:
        """Whether another process, which has the asker's key, is just about to begin."""
        if self._keys.of(meta.answer) is not None or not meta.question.own_key or meta.generation:
            return False
        return self._clock() < meta.question.asked_at + KEY_GRACE_S

    def _ring(self, ring: Ring) -> None:
        if not ring.answer or (not ring.entries and ring.answer in self._running):
            self._look.set()


def _question(meta: AnswerMeta, history: tuple[Turn, ...], provider_key: str | None) -> Question:
    asked = meta.question
    return Question(
        answer=asked.answer,
        chat=asked.chat,
        user=asked.user,
        text=asked.text,
        asked_at=datetime.fromtimestamp(asked.asked_at, UTC),
        namespace=asked.namespace,
        filter=asked.filter,
        options=asked.options,
        history=history,
        provider_key=provider_key,
    )


def _in_flight(generation: Generation) -> InFlight:
    return InFlight(
        answer=generation.claim.answer,
        chat=generation.meta.question.chat,
        user=generation.meta.question.user,
        owner=generation.claim.owner,
        generation=generation.claim.generation,
        head=generation.head,
        started_at=generation.started_at,
        progress_at=generation.progress_at,
    )
