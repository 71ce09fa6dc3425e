"""Pipelines that do what a test says, and an answer log whose appends can be held up or refused."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from chatserver.answers.log import AnswerLog, Appended, Batch, Claim, LogUnavailable
from chatserver.answers.memory import MemoryAnswerLog
from chatserver.answers.meta import AnswerMeta
from chatserver.generation.generation import Pace
from chatserver.generation.generations import Generations
from chatserver.pipeline.port import Pipeline, Question
from chatserver.protocol import chunks
from chatserver.protocol.chunks import Chunk, Citation
from tests.eventually import eventually

PACE = Pace(lease_s=15.0, linger_s=0.002, batch_entries=8, buffer_entries=16)


def opening(answer: str = "a1") -> list[Chunk]:
    """A finished first step."""
    return [
        chunks.start(answer),
        chunks.start_step(),
        chunks.data("decision", {"kind": "retrieve"}),
        chunks.finish_step(),
    ]


def speech(deltas: Sequence[str]) -> list[Chunk]:
    """A whole second step."""
    spoken = [chunks.text_delta("t", delta) for delta in deltas]
    return [chunks.start_step(), chunks.text_start("t"), *spoken, chunks.text_end("t"), chunks.finish_step()]


def words(count: int) -> list[str]:
    return [f"w{n} " for n in range(count)]


def whole(deltas: Sequence[str], answer: str = "a1") -> list[Chunk]:
    return [*opening(answer), *speech(deltas), chunks.finish()]


@dataclass
class Script:
    """Tells `entries`, waiting at each until so many are `released`; then raises `failure`, if any. A continuation is
    told as the port says: no finished step again, and inside the step that was reset."""

    deltas: Sequence[str] = field(default_factory=lambda: words(5))
    released: int = 10**9
    failure: BaseException | None = None
    cites: str = ""
    """What a stopped text rests on, as a whole; `fails`: that can't be told."""
    linger_on_cancel: bool = False
    told: int = 0
    cancelled: int = 0
    continued: list[list[Chunk]] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    def release(self, entries: int) -> None:
        self.released += entries
        self._more.set()

    async def run(self, question: Question, told: Sequence[Chunk] = ()) -> AsyncGenerator[Chunk, None]:
        self.questions.append(question)
        self.continued.append(list(told))
        try:
            for chunk in self._rest(question.answer, told):
                while self.told >= self.released:
                    if self.failure is not None:
                        raise self.failure
                    self._more.clear()
                    await self._more.wait()
                self.told += 1
                yield chunk
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def citations(self, question: Question, told: Sequence[Chunk], text: str) -> Sequence[Citation]:
        assert told[: len(opening())] == opening(question.answer)
        if self.cites == "fails":
            raise RuntimeError("no citations")
        return [chunks.citation(self.cites, "Pumps", 0, len(text), "its words")] if self.cites else ()

    def _rest(self, answer: str, told: Sequence[Chunk]) -> list[Chunk]:
        finished = sum(entry["type"] == "finish-step" for entry in told)
        steps = [opening(answer)[1:], speech(self.deltas)]
        rest = [chunk for step in steps[finished:] for chunk in step] + [chunks.finish()]
        if not told:
            return [chunks.start(answer), *rest]
        return rest[1:] if told[-1]["type"] == "reset-step" else rest


class TestingLog(MemoryAnswerLog):
    """Appends wait for `open`, and are refused `refuse` times before the write or, `after`, behind it."""

    __test__ = False

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock=clock)
        self.open = asyncio.Event()
        self.open.set()
        self.claims = asyncio.Event()
        self.claims.set()
        self.refuse = 0
        self.after = False
        self.away = False
        self.batches: list[Batch] = []

    async def claim(self, answer: str, owner: str, lease_s: float) -> tuple[Claim, AnswerMeta] | None:
        await self.claims.wait()
        return await super().claim(answer, owner, lease_s)

    async def append(self, claim: Claim, batch: Batch, lease_s: float) -> Appended:
        await self.open.wait()
        self.batches.append(batch)
        refused = self.refuse > 0 or self.away
        self.refuse = max(0, self.refuse - 1)
        if refused and not self.after:
            raise LogUnavailable("away")
        appended = await super().append(claim, batch, lease_s)
        if refused:
            raise LogUnavailable("the reply was lost")
        return appended

    async def renew(self, claim: Claim, lease_s: float) -> bool:
        if self.away:
            raise LogUnavailable("away")
        return await super().renew(claim, lease_s)

    async def release(self, claim: Claim) -> None:
        if self.away:
            raise LogUnavailable("away")
        await super().release(claim)


async def logged(log: AnswerLog, answer: str = "a1") -> list[Chunk]:
    """Every entry of the log, which must be contiguous and as long as its head says."""
    meta = await log.meta(answer)
    assert meta is not None
    entries = [orjson.loads(entry) for entry in await log.read(answer, 0, 10**6)]
    assert len(entries) == meta.head
    return entries


async def sealed(log: AnswerLog, answer: str = "a1") -> AnswerMeta:
    """The answer, once it is sealed."""
    async with asyncio.timeout(60):
        while (meta := await log.meta(answer)) is None or not meta.state.sealed:  # noqa: ASYNC110
            await asyncio.sleep(0.002)
    return meta


async def running(generations: Generations, entries: int) -> None:
    """The only generation has appended so many entries."""
    await eventually(lambda: [each.head for each in generations.inflight()] == [entries])


@asynccontextmanager
async def generating(log: TestingLog, pipeline: Pipeline, **options: Any) -> AsyncGenerator[Generations, None]:
    async with Generations(log, pipeline, **{"pace": PACE, "owner": "one", "clock": log._clock, **options}) as each:
        yield each
