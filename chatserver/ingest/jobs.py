"""Jobs as their users handle them: submitted, listed, watched, cancelled, tried again.

Theory of operation
    A job is made durable before it is acknowledged: first what it was given (the spool), then its log (queued). Who
    runs it learns of it by looking for claimable jobs; `wake` only saves the wait. So there is no step at which
    a crash loses a job, and none after which it runs twice: the log's claim decides that.

    What a job was given stays until it is completed, so that one which failed or was cancelled can be tried again, or
    until nobody has done so for `KEPT_S`.
"""

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from chatserver.answers.document import read_document
from chatserver.answers.log import AnswerLog, LogUnavailable
from chatserver.answers.meta import JOBS, AnswerMeta, NewAnswer, is_job, job_id
from chatserver.answers.states import AnswerState
from chatserver.ingest.attendance import Lack
from chatserver.ingest.job import status_document
from chatserver.ingest.ledger import Ledger
from chatserver.ingest.spool import Spool
from retrieval.errors import RetrievalError

log = structlog.get_logger(__name__)

KEPT_S: Final = 7 * 86_400
LISTED: Final = 100
_CLEAN_S: Final = 600.0


class QueueFull(Exception):
    """So many jobs wait already. `retry_after_s`: when one of them may have begun."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"try again in {retry_after_s:.0f} s")
        self.retry_after_s = retry_after_s


class NotEnded(Exception):
    """A job that is still to be run can't be tried again."""


@dataclass(frozen=True, slots=True)
class Submission:
    """`given` says where to find what is to be ingested: `{"spool": id}` or `{"paths": […]}`. `key` is the client's:
    the same one again is the same job."""

    user: str
    given: Mapping[str, Any]
    title: str
    size: int
    namespace: str = ""
    key: str | None = None


class Jobs:
    """`wake` is called with each new job; `lack` tells why nobody takes any, while that is so. `home` names the data
    directory that its input lies in and that it is stored in, `space` is its ingestion's `hashed_space`."""

    def __init__(
        self,
        answers: AnswerLog,
        ledger: Ledger,
        spool: Spool,
        *,
        queue: int = 100,
        home: str = "",
        space: str = "",
        wake: Callable[[], None] = lambda: None,
        lack: Callable[[], Lack | None] = lambda: None,
        clock: Callable[[], float] = time.time,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self.spool = spool
        self._answers = answers
        self._ledger = ledger
        self._queue = queue
        self._home = home
        self._space = space
        self._wake = wake
        self._lack = lack
        self._clock = clock
        self._new_id = new_id
        self._submitting = asyncio.Lock()
        self._cleaned_at = 0.0

    def new_id(self) -> str:
        return job_id(self._new_id())

    async def admit(self) -> None:
        """Raises `QueueFull`: to be asked before a body is read. Raises `LogUnavailable`."""
        waiting = await self._answers.claimable(self._queue, jobs=True)
        if len(waiting) >= self._queue:
            first = await self._estimate(0, waiting[:1])
            raise QueueFull(max(1.0, first or 1.0))

    async def submit(self, submission: Submission, job: str) -> tuple[AnswerMeta, float | None]:
        """The job, queued, and in how many seconds it may be done, as far as the last jobs tell. A known key gives the
        first job. What it was given goes when the job is not made. Raises `QueueFull`, `LogUnavailable`."""
        new = NewAnswer(
            answer=job,
            epoch=self._new_id()[:8],
            user=submission.user,
            chat=JOBS,
            ask_id=f"job:{submission.key or job}",
            text=submission.title,
            asked_at=self._clock(),
            namespace=submission.namespace,
            options={**submission.given, "size": submission.size, "home": self._home, "space": self._space},
        )
        async with self._submitting:
            try:
                await self.admit()
                meta, fresh = await self._answers.create(new)
            except Exception:  # of who was cut off nobody knows how far it came: what it was given stays
                await self._drop_unless_known(new)
                raise
        if not fresh:
            await self.spool.drop(job)
        self._wake()
        try:
            await self._clean()
            return meta, await self._wait_s(meta, submission.size)
        except (LogUnavailable, RetrievalError, OSError) as error:  # the job is durable, whatever can't be told of it
            log.warning("wait of a job not known", job=meta.answer, error=str(error))
            return meta, None

    async def find(self, user: str, job: str) -> AnswerMeta | None:
        """None when the user has no such job."""
        meta = await self._answers.meta(job) if is_job(job) else None
        return meta if meta is not None and meta.question.user == user else None

    async def status(self, meta: AnswerMeta) -> dict[str, Any]:
        return status_document(meta, await read_document(self._answers, meta), self._lack())

    async def listed(self, user: str) -> list[AnswerMeta]:
        """The newest first, of each user at most `LISTED`."""
        metas = await self._answers.chat(user, JOBS)
        return sorted(metas, key=lambda meta: -meta.question.asked_at)[:LISTED]

    async def cancel(self, user: str, job: str) -> AnswerMeta | None:
        """What is stored by then stays; of an ended job nothing changes. None when the user has no such job."""
        meta = await self._answers.request_stop(user, job) if is_job(job) else None
        if meta is not None:
            self._wake()  # a queued one is sealed by who claims it
        return meta

    async def retry(self, meta: AnswerMeta) -> tuple[AnswerMeta, float | None]:
        """A new job over what the old one was given; what that has stored and paid for is not done again. Raises
        `NotEnded`, `QueueFull`."""
        if meta.state not in {AnswerState.FAILED, AnswerState.STOPPED}:
            raise NotEnded(meta.answer)
        old = meta.question
        given = {key: value for key, value in old.options.items() if key not in {"size", "home", "space"}}
        size = int(old.options["size"])
        submission = Submission(
            old.user, {**given, "retry_of": meta.answer}, old.text, size, old.namespace, _retry_key(meta)
        )
        return await self.submit(submission, self.new_id())

    async def _drop_unless_known(self, new: NewAnswer) -> None:
        """Lets go of what a job was given that is not in the log. Whether it is may be what nobody can tell now."""
        try:
            known = await self._answers.of_ask(new.user, new.ask_id)
        except LogUnavailable:
            return
        if known is None or known.answer != new.answer:
            await self.spool.drop(new.answer)

    async def _wait_s(self, meta: AnswerMeta, size: int) -> float | None:
        waiting = await self._answers.claimable(self._queue, jobs=True)
        ahead = waiting[: waiting.index(meta.answer)] if meta.answer in waiting else []
        return await self._estimate(size, ahead)

    async def _estimate(self, size: int, ahead: Sequence[str]) -> float | None:
        """None as long as no job has ended, or nobody runs any."""
        rate = await self._ledger.bytes_per_s()
        if rate is None or self._lack() is not None:
            return None
        metas = [await self._answers.meta(job) for job in ahead]
        waiting = sum(int(meta.question.options.get("size", 0)) for meta in metas if meta is not None)
        return round((waiting + size) / rate, 1)

    async def _clean(self) -> None:
        """Lets go of what nobody will ask for any more."""
        now = self._clock()
        if now < self._cleaned_at + _CLEAN_S:
            return
        self._cleaned_at = now
        for kept in await self.spool.jobs():
            meta = await self._answers.meta(kept)
            if await self._is_void(kept, now) if meta is None else await self._is_over(meta, now):
                await self._ledger.end(kept)
                await self.spool.drop(kept)

    async def _is_over(self, meta: AnswerMeta, now: float) -> bool:
        """Neither the job nor one that tries it again, over what it was given, has any use for that."""
        if not meta.state.sealed or (meta.state is not AnswerState.COMPLETED and meta.question.asked_at > now - KEPT_S):
            return False
        again = await self._answers.of_ask(meta.question.user, f"job:{_retry_key(meta)}")
        return again is None or await self._is_over(again, now)

    async def _is_void(self, job: str, now: float) -> bool:
        """What is kept for it has no log, because that is gone or never came. Others keep and drop at the same time."""
        written_at = await self.spool.written_at(job)
        return written_at is not None and written_at < now - KEPT_S


def _retry_key(meta: AnswerMeta) -> str:
    """Of the one job that tries this one again, however often that is asked for."""
    return f"{meta.answer}/retry"
