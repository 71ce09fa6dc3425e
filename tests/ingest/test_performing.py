"""Jobs as they are run: from a claim on a job's log to its seal."""

import asyncio
from io import BytesIO
from pathlib import Path

from chatserver.answers.states import AnswerState
from chatserver.ingest.jobs import KEPT_S, Submission
from chatserver.ingest.performing import TICK_S
from retrieval.errors import Permanent, Temporary
from tests.eventually import eventually
from tests.ingest.worker import ScriptedEmbedder, ScriptedExtractor, worker


async def test_a_job_ends_with_what_went_in(tmp_path: Path) -> None:
    """Every stage is complete, the result counts, the ledger keeps no vector that is stored."""
    async with worker(tmp_path) as w, w.open_runner("one"):
        job = await w.submit(30)
        status = await w.ended(job)
        assert (status["status"], status["progress"], status["problems"]) == ("completed", 100, [])
        assert status["result"] == {
            "documents": 30,
            "passages": 30,
            "records": 0,
            "unchanged": 0,
            "left_out": 0,
            "skipped": [],
        }
        assert set(status["stages"]) == {"load", "chunk", "embed", "store", "link"}
        assert all(stage["done"] == stage["total"] for stage in status["stages"].values())
        assert (await w.documents.count())["documents"] == 30
        assert await w.ledger.bytes_per_s() is not None


async def test_the_same_again_costs_nothing(tmp_path: Path) -> None:
    """A second job over the same documents asks no upstream."""
    async with worker(tmp_path) as w, w.open_runner("one"):
        await w.ended(await w.submit(20))
        again = await w.ended(await w.submit(25))
        assert (again["result"]["documents"], again["result"]["unchanged"]) == (5, 20)
        assert len(w.embedder.texts) == 25


async def test_an_upstream_that_is_away_is_waited_for(tmp_path: Path) -> None:
    """The job says once that it waits, and completes without a failure when the upstream is back."""
    embedder = ScriptedEmbedder(failures=[Temporary("away") for _ in range(5)])
    async with worker(tmp_path, embedder=embedder) as w, w.open_runner("one"):
        status = await w.ended(await w.submit(3))
        assert (status["status"], status["result"]["documents"]) == ("completed", 3)
        assert [notice["code"] for notice in status["notices"]] == ["upstream_unavailable"]


async def test_what_an_upstream_refuses_fails_the_job(tmp_path: Path) -> None:
    """With a code and without the upstream's own words; a retry over the same input completes."""
    embedder = ScriptedEmbedder(failures=[Permanent("secret words")])
    async with worker(tmp_path, embedder=embedder) as w, w.open_runner("one"):
        job = await w.submit(3)
        status = await w.ended(job)
        assert (status["status"], status["error"]["code"]) == ("failed", "upstream_rejected")
        assert "secret" not in str(status)
        again, _ = await w.jobs.retry(await w.meta(job))
        assert (await w.ended(again.answer))["result"]["documents"] == 3


async def test_all_that_is_left_out_is_told(tmp_path: Path) -> None:
    """Also what is met long after the first was told: the result's number is that of the problems."""
    async with worker(tmp_path) as w, w.open_runner("one"):
        w.embedder.held.clear()  # two batches wait, and nothing after them is read
        job = w.jobs.new_id()
        await w.jobs.spool.keep_file(job, "a.txt", BytesIO(b"\xff\xfe\x00"))
        rows = b"".join(b'{"id": "d%d", "text": "Pump %d moves glycol."}\n' % (n, n) for n in range(1000))
        await w.jobs.spool.keep_file(job, "b.jsonl", BytesIO(rows))
        await w.jobs.spool.keep_file(job, "c.txt", BytesIO(b"caf\xe9"))
        await w.jobs.submit(Submission("ada", {"spool": job}, "files", len(rows)), job)
        async with asyncio.timeout(30):
            while not (await w.status(job))["problems"]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        w.embedder.held.set()
        status = await w.ended(job)
        assert [problem["file"] for problem in status["problems"]] == ["a.txt", "c.txt"]
        assert (status["result"]["documents"], status["result"]["left_out"]) == (1_000, 2)


async def test_a_cancelled_job_keeps_what_is_stored(tmp_path: Path) -> None:
    """It ends as cancelled while its upstream still thinks, and a retry pays only for the rest."""
    async with worker(tmp_path) as w, w.open_runner("one"):
        await w.ended(await w.submit(10))
        w.embedder.held.clear()
        job = await w.submit(400)
        await eventually(lambda: len(w.embedder.calls) > 1, within_s=30)
        await w.jobs.cancel("ada", job)
        status = await w.ended(job)
        assert status["status"] == "cancelled"
        w.embedder.held.set()
        again, _ = await w.jobs.retry(await w.meta(job))
        result = (await w.ended(again.answer))["result"]
        assert (result["documents"], result["unchanged"]) == (390, 10)


async def test_a_queued_job_is_cancelled_before_it_begins(tmp_path: Path) -> None:
    """Who claims it seals it without asking an upstream."""
    async with worker(tmp_path) as w:
        job = await w.submit(10)
        await w.jobs.cancel("ada", job)
        async with w.open_runner("one"):
            assert (await w.ended(job))["status"] == "cancelled"
        assert w.embedder.calls == []


async def test_another_owner_pays_for_nothing_twice(tmp_path: Path) -> None:
    """A worker that vanished in the middle is taken over when its lease has ended: its vectors are used, what it
    stored counts as the job's, and every document is there once."""
    extractor = ScriptedExtractor()
    async with worker(tmp_path, extractor=extractor, lease_s=1.0) as w:
        job = await w.submit(600)
        async with w.open_runner("one") as first:
            await eventually(lambda: len(w.embedder.texts) >= 300, within_s=60)
            for task in list(first._tasks):  # as SIGKILL does: no release, no last words
                task.cancel()
        paid = set(w.embedder.texts)
        before = len(w.embedder.texts)
        async with w.open_runner("two"):
            status = await w.ended(job)
        assert (status["status"], status["result"]["documents"], status["result"]["unchanged"]) == ("completed", 600, 0)
        assert (await w.documents.count())["documents"] == 600
        repeated = [text for text in w.embedder.texts[before:] if text in paid]
        assert len(repeated) <= 5 * 128  # those of the calls that were in flight
        assert len(w.embedder.texts) - len(repeated) == 600


async def test_a_drain_hands_the_job_over(tmp_path: Path) -> None:
    """At once, without waiting for its lease, and the next owner tells the step anew."""
    async with worker(tmp_path) as w:
        w.embedder.held.clear()
        job = await w.submit(5)
        async with w.open_runner("one") as first:
            await eventually(lambda: w.embedder.calls, within_s=30)
            await first.drain(0)
            assert (await w.meta(job)).state is AnswerState.QUEUED
        w.embedder.held.set()
        async with w.open_runner("two"):
            assert (await w.ended(job))["result"]["documents"] == 5
        entries = await w.answers.read(job, 0, 1_000)
        assert any(b"reset-step" in entry for entry in entries)


async def test_metadata_and_vectors_are_made_at_the_same_time(tmp_path: Path) -> None:
    """The metadata of each passage can be filtered by; a document's own counts more; calls to a model are bounded."""
    extractor = ScriptedExtractor(takes_s=0.01)
    async with worker(tmp_path, extractor=extractor) as w, w.open_runner("one"):
        w.embedder.held.clear()
        job = await w.submit(60)
        await eventually(lambda: len(extractor.passages) == 60, within_s=30)  # while the embedder has not answered
        w.embedder.held.set()
        status = await w.ended(job)
        assert status["stages"]["metadata"] == {"done": 60, "total": 60}
        (passage,) = await w.documents.passages(["d7"])
        assert passage.metadata.items() >= {"first": "Pump", "words": ("a", "b")}.items()
        assert 1 < extractor.most_at_once <= 20


async def test_metadata_that_was_paid_for_is_not_asked_for_again(tmp_path: Path) -> None:
    """A job that failed at its embedder has kept what its model said."""
    extractor = ScriptedExtractor()
    async with worker(tmp_path, extractor=extractor) as w, w.open_runner("one"):
        w.embedder.held.clear()
        job = await w.submit(10)
        await eventually(lambda: len(extractor.passages) == 10, within_s=30)
        await w.jobs.cancel("ada", job)
        await w.ended(job)
        w.embedder.held.set()
        again, _ = await w.jobs.retry(await w.meta(job))
        assert (await w.ended(again.answer))["status"] == "completed"
        assert len(extractor.passages) == 10
        (passage,) = await w.documents.passages(["d7"])
        assert passage.metadata.items() >= {"first": "Pump", "words": ("a", "b")}.items()


async def test_two_documents_of_one_id_are_told_once_each_time(tmp_path: Path) -> None:
    """Also by a worker that takes the job over: the first one is no duplicate of itself."""
    async with worker(tmp_path) as w:
        job = w.jobs.new_id()
        rows = [{"id": "d", "title": "T", "text": text} for text in ("first words", "second words")]
        size = await w.jobs.spool.keep_rows(job, rows)
        await w.jobs.submit(Submission("ada", {"spool": job}, "twins", size), job)
        w.embedder.held.clear()
        async with w.open_runner("one") as first:
            await eventually(lambda: w.embedder.calls, within_s=30)
            await first.drain(0)
        w.embedder.held.set()
        async with w.open_runner("two"):
            status = await w.ended(job)
        assert [(problem["code"], problem["line"]) for problem in status["problems"]] == [("duplicate_id", 2)]
        assert [p.text for p in await w.documents.passages(["d"])] == ["first words"]


async def test_what_nobody_asks_for_any_more_is_let_go(tmp_path: Path) -> None:
    """The input of a completed job at the next submission, that of a failed one after a week."""
    async with worker(tmp_path, embedder=ScriptedEmbedder(failures=[Permanent("no")])) as w, w.open_runner("one"):
        failed = await w.submit(1)
        await w.ended(failed)
        done = await w.submit(1)
        await w.ended(done)
        w.jobs._cleaned_at = 0.0
        last = await w.submit(1, start=5)
        kept = await w.jobs.spool.jobs()  # the last one's too, unless it has ended by now
        assert (failed in kept, done in kept) == (True, False)
        await w.ended(last)
        now = w.jobs._clock()
        w.jobs._clock = lambda: now + KEPT_S + 60
        w.jobs._cleaned_at = 0.0
        newest = await w.submit(1, start=6)
        assert set(await w.jobs.spool.jobs()) <= {newest}


async def test_what_a_retry_was_given_stays(tmp_path: Path) -> None:
    """Until that has ended, too, though the job that it tries again is more than a week old."""
    embedder = ScriptedEmbedder(failures=[Permanent("no")])
    async with worker(tmp_path, embedder=embedder) as w:
        async with w.open_runner("one"):
            failed = await w.submit(1)
            await w.ended(failed)
        now = w.jobs._clock()
        w.jobs._clock = lambda: now + KEPT_S + 60
        again, _ = await w.jobs.retry(await w.meta(failed))
        for _ in range(2):  # the second finds it in the log
            w.jobs._cleaned_at = 0.0
            await w.submit(1, start=5)
            assert failed in await w.jobs.spool.jobs()
        async with w.open_runner("two"):
            assert (await w.ended(again.answer))["result"]["documents"] == 1
        w.jobs._cleaned_at = 0.0
        await w.submit(1, start=6)
        assert failed not in await w.jobs.spool.jobs()


async def test_a_jobs_log_stays_short(tmp_path: Path) -> None:
    """Progress is told at intervals, not for each document."""
    loop = asyncio.get_running_loop()
    async with worker(tmp_path) as w, w.open_runner("one"):
        began = loop.time()
        job = await w.submit(600)
        await w.ended(job)
        took_s = loop.time() - began
        told = [entry for entry in await w.answers.read(job, 0, 10_000) if b"data-progress" in entry]
        assert 1 <= len(told) <= 2 + took_s / TICK_S


async def test_a_job_whose_input_is_gone_says_so(tmp_path: Path) -> None:
    """It fails with a code, rather than pass for an empty one."""
    async with worker(tmp_path) as w, w.open_runner("one"):
        meta, _ = await w.jobs.submit(Submission("ada", {"spool": "nowhere"}, "gone", 1), w.jobs.new_id())
        status = await w.ended(meta.answer)
        assert (status["status"], status["error"]["code"]) == ("failed", "input_gone")
