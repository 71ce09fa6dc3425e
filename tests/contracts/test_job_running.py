"""What holds for jobs wherever they are run: in one process on SQLite, or by workers that a queue on Redis feeds."""

import logging
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from chatserver.answers.redis import RedisAnswerLog
from chatserver.answers.sqlite import SqliteAnswerLog
from chatserver.answers.states import AnswerState
from chatserver.ingest.jobs import Jobs, Submission
from chatserver.ingest.saq_queue import SaqJobs
from tests.contracts.redis_server import RedisServer
from tests.eventually import eventually
from tests.ingest.worker import Worker, worker

WAIT_S = 30.0


@pytest.fixture(params=["sqlite", "redis"])
async def w(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Worker]:
    if request.param == "sqlite":
        log = await SqliteAnswerLog.open(tmp_path / "answers.db")
        async with worker(tmp_path, answers=log) as opened:
            yield opened
        return
    server: RedisServer = request.getfixturevalue("redis")
    server.says("FLUSHALL")
    async with worker(tmp_path, answers=await RedisAnswerLog.open(server.url), queue_url=server.url) as opened:
        yield opened


async def test_every_job_is_run_to_its_end_once(w: Worker) -> None:
    """Two workers share them; no text is sent to an upstream twice, no document stored twice."""
    jobs = [await w.submit(20, start=20 * n) for n in range(6)]
    async with w.open_runner("one"), w.open_runner("two"):
        ended = [await w.ended(job) for job in jobs]
    assert [status["status"] for status in ended] == ["completed"] * 6
    assert sum(status["result"]["documents"] for status in ended) == 120
    assert (await w.documents.count())["documents"] == 120
    assert max(Counter(w.embedder.texts).values()) == 1


async def test_jobs_wait_until_somebody_runs_them(w: Worker) -> None:
    """Without a worker they stay queued; the first that comes runs them all, two at a time."""
    jobs = [await w.submit(3, start=3 * n) for n in range(4)]
    assert [(await w.meta(job)).state for job in jobs] == [AnswerState.QUEUED] * 4
    w.embedder.held.clear()
    async with w.open_runner("one") as running:
        await eventually(lambda: len(running.inflight()) == 2, within_s=WAIT_S)
        w.embedder.held.set()
        assert {(await w.ended(job))["status"] for job in jobs} == {"completed"}


async def test_a_job_is_cancelled_by_whoever_runs_it(w: Worker) -> None:
    """While its upstream thinks."""
    w.embedder.held.clear()
    job = await w.submit(5)
    async with w.open_runner("one"):
        await eventually(lambda: w.embedder.calls, within_s=WAIT_S)
        await w.jobs.cancel("ada", job)
        assert (await w.ended(job))["status"] == "cancelled"


async def test_a_drained_worker_leaves_its_job_to_the_next(w: Worker) -> None:
    """Queued again at once; a second delivery runs it where it was left."""
    w.embedder.held.clear()
    job = await w.submit(5)
    async with w.open_runner("one") as first:
        await eventually(lambda: w.embedder.calls, within_s=WAIT_S)
        await first.drain(0)
        assert (await w.meta(job)).state is AnswerState.QUEUED
    w.embedder.held.set()
    async with w.open_runner("two"):
        assert (await w.ended(job))["result"]["documents"] == 5


def test_a_redis_that_is_away_is_no_flood_of_lines(caplog: pytest.LogCaptureFixture) -> None:
    """Of saq's, which our connections' own line says it all before; its other errors are told."""
    SaqJobs.open("unix:///nowhere", 5.0, "here", "vectors")
    for error in (RedisConnectionError("away"), RedisTimeoutError("slow"), ValueError("a bug")):
        logging.getLogger("saq").error("failed", exc_info=error)
    told = [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert [str(error) for error in told] == ["a bug"]


async def test_another_directorys_jobs_are_left_alone(w: Worker) -> None:
    """On a Redis that several data directories share, each one's workers run their own: only they have the input."""
    if w.queue_url is None:
        pytest.skip("a log in the data directory holds nobody else's jobs")
    elsewhere = Jobs(w.answers, w.ledger, w.jobs.spool, home="elsewhere")
    other, _ = await elsewhere.submit(Submission("ada", {"spool": "theirs"}, "theirs", 1), elsewhere.new_id())
    async with w.open_runner("one"):
        assert (await w.ended(await w.submit(3)))["status"] == "completed"
    assert (await w.meta(other.answer)).state is AnswerState.QUEUED
