"""Every implementation of the answer log, and the values that their tests feed them with."""

import atexit
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from chatserver.answers.log import AnswerLog, Batch, Claim
from chatserver.answers.memory import MemoryAnswerLog
from chatserver.answers.meta import NewAnswer
from chatserver.answers.redis import RedisAnswerLog
from chatserver.answers.sqlite import SqliteAnswerLog
from chatserver.answers.states import AnswerState
from tests.contracts.redis_cluster import shared_cluster
from tests.contracts.redis_server import RedisServer, require_redis
from tests.ports import free_port

LEASE_S = 10.0


@dataclass
class Clock:
    """Seconds since the Unix epoch, moved by the test."""

    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def _memory(directory: Path, clock: Callable[[], float]) -> AsyncIterator[AnswerLog]:
    log = MemoryAnswerLog(clock=clock)
    yield log
    await log.aclose()


@asynccontextmanager
async def _sqlite(directory: Path, clock: Callable[[], float]) -> AsyncIterator[AnswerLog]:
    log = await SqliteAnswerLog.open(directory / "answers.db", clock=clock, poll_s=0.002)
    yield log
    await log.aclose()


@cache
def _shared_redis() -> RedisServer:
    """One for all tests of this process: starting one takes longer than a test. It ends with the process."""
    require_redis()
    directory = tempfile.TemporaryDirectory()
    # Of a cluster, so that a script or transaction that touches two slots fails. The bus takes a port of its own.
    cluster = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    server = RedisServer(Path(directory.name), ("--save", "", *cluster)).start()
    server.says("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
    while "cluster_state:ok" not in server.says("CLUSTER", "INFO"):
        time.sleep(0.01)
    atexit.register(directory.cleanup)
    atexit.register(server.kill)
    return server


@asynccontextmanager
async def _redis(directory: Path, clock: Callable[[], float]) -> AsyncIterator[AnswerLog]:
    server = _shared_redis()
    server.says("FLUSHALL")
    log = await RedisAnswerLog.open(server.url, clock=clock)
    yield log
    await log.aclose()


@asynccontextmanager
async def _redis_cluster(directory: Path, clock: Callable[[], float]) -> AsyncIterator[AnswerLog]:
    cluster = shared_cluster()
    cluster.flush()
    log = await RedisAnswerLog.open(cluster.url, clock=clock)
    yield log
    await log.aclose()


IMPLEMENTATIONS = {"memory": _memory, "redis": _redis, "redis cluster": _redis_cluster, "sqlite": _sqlite}


def question(
    answer: str = "a1", *, user: str = "ada", chat: str = "c1", ask_id: str | None = None, at: float = 1.0
) -> NewAnswer:
    return NewAnswer(answer, f"e-{answer}", user, chat, ask_id or f"ask-{answer}", f"What about {answer}?", at)


def entry(seq: int) -> bytes:
    return b'{"type":"text-delta","id":"t","delta":"%d"}' % seq


def batch(first: int, count: int, *, seal: AnswerState | None = None, id: str | None = None) -> Batch:
    return Batch(id or f"b{first}+{count}", first, [entry(first + offset) for offset in range(count)], seal)


async def claimed(log: AnswerLog, answer: str = "a1", owner: str = "one") -> Claim:
    held = await log.claim(answer, owner, LEASE_S)
    assert held is not None
    return held[0]


async def begun(log: AnswerLog, answer: str = "a1", *, user: str = "ada", entries: int = 0) -> Claim:
    """A claimed answer with so many entries."""
    await log.create(question(answer, user=user))
    claim = await claimed(log, answer)
    if entries:
        await log.append(claim, batch(0, entries), LEASE_S)
    return claim


async def read_all(log: AnswerLog, answer: str = "a1", *, first: int = 0, limit: int = 7) -> list[bytes]:
    """Every entry from `first` on, page by page."""
    entries: list[bytes] = []
    while page := await log.read(answer, first + len(entries), limit):
        entries += page
    return entries
