"""Runs a job: the ingestion of what it was given, told as entries of its log."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

import structlog

from chatserver.ingest.elsewhere.errands import DirectoryAway
from chatserver.ingest.files import Source
from chatserver.ingest.ingestion import Ingestion
from chatserver.ingest.inputs import Inputs, OtherStores
from chatserver.ingest.job import Stages
from chatserver.ingest.ledger import Ledger
from chatserver.ingest.report import IngestReport, Problem
from chatserver.ingest.watching import Watching, until_done
from chatserver.pipeline.port import Question
from chatserver.protocol import chunks
from chatserver.protocol.chunks import Chunk, Citation
from retrieval.errors import RetrievalError, Temporary

T = TypeVar("T")

log = structlog.get_logger(__name__)

TOLD_PROBLEMS: Final = 1_000
"""Problems that a job's log names; of further ones the result has the number."""
TICK_S: Final = 0.25
TICK_SHARE: Final = 0.01  # of the time so far: a long job's log grows with the logarithm of its time
_UPSTREAM: Final = "An upstream can't be used now"
_AWAY: Final = {
    DirectoryAway.code: "The server that the job was given to can't be reached by its worker now",
    OtherStores.code: "The worker that has the job is set to other stores than its server",
}
_FIRST_WAIT_S: Final = 1.0
_LONGEST_WAIT_S: Final = 30.0


class IngestPipeline:
    """A `Pipeline` whose questions are jobs. One step: progress, problems, the result.

    What may pass is waited for, however long: an upstream that is away, or that its breaker leaves alone. What won't
    pass fails the job; trying it again is a new job, which finds what this one has stored and paid for."""

    def __init__(
        self,
        ingestion: Ingestion,
        ledger: Ledger,
        inputs: Inputs,
        *,
        clock: Callable[[], float] = time.monotonic,
        first_wait_s: float = _FIRST_WAIT_S,
    ) -> None:
        self._ingestion = ingestion
        self._ledger = ledger
        self._inputs = inputs
        self._clock = clock
        self._first_wait_s = first_wait_s

    async def run(self, question: Question, told: Sequence[Chunk] = ()) -> AsyncGenerator[Chunk, None]:
        if not told:
            yield chunks.start(question.answer)
        if not told or told[-1]["type"] != "reset-step":
            yield chunks.start_step()
        run = _JobRun(self._ingestion, self._ledger, self._inputs, question, self._first_wait_s)
        began = self._clock()
        work = asyncio.create_task(run.work(), name=f"job {question.answer}")
        try:
            while not work.done():
                await asyncio.wait({work}, timeout=max(TICK_S, TICK_SHARE * (self._clock() - began)))
                for chunk in run.news():
                    yield chunk
            closing = await _closing(work)
            if closing["type"] == "finish":
                yield chunks.data("result", run.result())
                if not told:  # what went on behind another owner's work tells nothing of the speed
                    await self._measured(run.size, self._clock() - began)
            yield chunks.finish_step()
            yield closing
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def _measured(self, size: int, seconds: float) -> None:
        """For estimates alone: it must not cost a job."""
        try:
            await self._ledger.measured(size, seconds)
        except RetrievalError as error:
            log.warning("speed of a job not kept", code=error.code)

    async def citations(self, question: Question, told: Sequence[Chunk], text: str) -> Sequence[Citation]:
        """A job tells no text."""
        return ()


async def _closing(work: "asyncio.Task[None]") -> Chunk:
    try:
        await work
    except RetrievalError as error:
        log.warning("job failed", job=work.get_name(), code=error.code, error=str(error))
        return chunks.error("A store or model refused what it was given; what is stored is kept.", error.code)
    return chunks.finish()


class _JobRun:
    def __init__(
        self, ingestion: Ingestion, ledger: Ledger, inputs: Inputs, question: Question, first_wait_s: float
    ) -> None:
        self.size = 0
        self._ingestion = ingestion
        self._ledger = ledger
        self._inputs = inputs
        self._question = question
        self._first_wait_s = first_wait_s
        self._stages = Stages()
        self._report = IngestReport()
        self._problems: list[Problem] = []
        self._told_problems = 0
        self._told: dict[str, Any] = {}
        self._waits = 0
        self._notices: list[Chunk] = []

    async def work(self) -> None:
        async with self._inputs.opened(self._question.options, self._patiently) as found:
            self._report.skipped += found.skipped
            for problem in found.problems:
                self._report.errors.append(problem)
                self._met(problem)
            self.size = _size(found.sources)
            seen = self._ledger.seen(self._question.answer)
            watching = Watching(self._progress, seen, self._pause, self._met)
            await self._ingestion.ingest_sources(found.sources, self._question.namespace, watching, self._report)

    def news(self) -> list[Chunk]:
        """What has happened since it was asked for last."""
        told = self._notices
        self._notices = []
        room = max(0, TOLD_PROBLEMS - self._told_problems)
        if problems := self._problems[:room]:
            told.append(chunks.data("problems", [_plain(problem) for problem in problems]))
            self._told_problems += len(problems)
        self._problems = []
        if (progress := self._stages.told()) != self._told:
            self._told = progress
            told.append(chunks.data("progress", progress))
        return told

    def result(self) -> dict[str, Any]:
        report = self._report
        return {
            "documents": report.documents,
            "passages": report.passages,
            "records": report.records,
            "unchanged": report.unchanged,
            "left_out": len(report.errors),
            "skipped": report.skipped,
        }

    def _met(self, problem: Problem) -> None:
        self._problems.append(problem)

    def _progress(self, stage: str, done: int, total: int) -> None:
        self._waits = 0
        self._stages.update(stage, done, total)

    async def _patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        done = await until_done(work, self._pause)
        self._waits = 0
        return done

    async def _pause(self, error: Temporary) -> None:
        """Told once for each outage, however many calls wait for its end."""
        if not self._waits:
            log.warning("job waits", job=self._question.answer, code=error.code, error=str(error))
            message = f"{_AWAY.get(error.code, _UPSTREAM)}; the job waits and goes on by itself."
            self._notices.append(chunks.data("notice", {"code": error.code, "message": message}))
        wait_s = min(_LONGEST_WAIT_S, self._first_wait_s * 2 ** min(self._waits, 10))
        self._waits += 1
        await asyncio.sleep(max(wait_s, error.retry_after_s or 0.0))


def _size(sources: Sequence[Source]) -> int:
    return sum(source.size for source in sources)


def _plain(problem: Problem) -> dict[str, Any]:
    return {"code": problem.code, "message": problem.message, "file": problem.file, "line": problem.line}
