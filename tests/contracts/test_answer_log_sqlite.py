"""What the answer log on SQLite does beyond the contract: several processes, full disks, sudden deaths."""

import asyncio
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from chatserver.answers.log import AnswerLog, Appended, Batch, Fenced, LogUnavailable, Ring
from chatserver.answers.sqlite import SqliteAnswerLog
from chatserver.answers.states import AnswerState
from retrieval.embedded import database
from tests.contracts.answer_logs import LEASE_S, Clock, batch, begun, claimed, entry, question, read_all
from tests.eventually import eventually


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers.db"


@pytest.fixture
async def log(path: Path, clock: Clock) -> AsyncIterator[SqliteAnswerLog]:
    log = await SqliteAnswerLog.open(path, clock=clock, poll_s=0.002)
    yield log
    await log.aclose()


@pytest.fixture
async def other(path: Path, clock: Clock, log: SqliteAnswerLog) -> AsyncIterator[SqliteAnswerLog]:
    """The log of another process: it shares the file and nothing else."""
    other = await SqliteAnswerLog.open(path, clock=clock, poll_s=0.002)
    yield other
    await other.aclose()


async def test_a_commit_of_another_process_rings(log: SqliteAnswerLog, other: SqliteAnswerLog) -> None:
    """The ring names no answer: any may have changed, and what changed can be read."""
    claim = await begun(log)
    rings: list[Ring] = []
    other.listen(rings.append, lambda: True)
    await log.append(claim, batch(0, 2), LEASE_S)
    await eventually(lambda: any(ring.answer == "" for ring in rings))
    assert await read_all(other) == [entry(0), entry(1)]


async def test_nobody_interested_is_not_rung_and_misses_nothing(log: SqliteAnswerLog, other: SqliteAnswerLog) -> None:
    """While nobody is interested the log need not look; what was committed meanwhile rings once somebody is."""
    rings: list[Ring] = []
    interested = False
    other.listen(rings.append, lambda: interested)
    await begun(log, entries=1)
    assert rings == []
    interested = True
    await eventually(lambda: rings)


async def test_polling_survives_a_failure(
    log: SqliteAnswerLog, other: SqliteAnswerLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An I/O error while looking for foreign commits is not the end of the doorbell."""
    look = other._db.foreign_commits
    failed = False

    async def failing_once() -> bool:
        nonlocal failed
        if not failed:
            failed = True
            raise sqlite3.OperationalError("disk I/O error")
        return await look()

    monkeypatch.setattr(other._db, "foreign_commits", failing_once)
    rings: list[Ring] = []
    other.listen(rings.append, lambda: True)
    await eventually(lambda: failed)
    await log.create(question())
    await eventually(lambda: rings)


async def test_claims_of_two_processes_exclude_each_other(log: SqliteAnswerLog, other: SqliteAnswerLog) -> None:
    """Of many claims at once on the same answers, each answer is given exactly once."""
    answers = [f"a{n}" for n in range(40)]
    for answer in answers:
        await log.create(question(answer))
    logs: list[tuple[str, AnswerLog]] = [("one", log), ("two", other)]
    claims = await asyncio.gather(*(each.claim(answer, owner, LEASE_S) for answer in answers for owner, each in logs))
    given = [claim.answer for held in claims if held is not None for claim in [held[0]]]
    assert sorted(given) == sorted(answers)


async def test_a_takeover_by_another_process_fences(log: SqliteAnswerLog, other: SqliteAnswerLog, clock: Clock) -> None:
    """Fence, stop request and batch ids hold across processes."""
    old = await begun(log, entries=2)
    clock.now += LEASE_S + 1
    new = await claimed(other, owner="two")
    with pytest.raises(Fenced):
        await log.append(old, batch(2, 1), LEASE_S)
    assert await other.append(new, batch(2, 1), LEASE_S) == Appended(3, False)
    await log.request_stop("ada", "a1")
    assert await other.stop_requests("two") == ["a1"]
    assert await other.append(new, batch(2, 1), LEASE_S) == Appended(3, True)


async def test_a_question_asked_in_two_processes_at_once_is_one(log: SqliteAnswerLog, other: SqliteAnswerLog) -> None:
    """The same ask id, sent to both, makes one answer that both return."""
    logs: list[AnswerLog] = [log, other] * 10
    made = await asyncio.gather(*(each.create(question(f"a{n}", ask_id="same")) for n, each in enumerate(logs)))
    assert len({meta.answer for meta, _ in made}) == 1
    assert [fresh for _, fresh in made].count(True) == 1


async def test_closing_finishes_what_is_queued(log: SqliteAnswerLog, other: SqliteAnswerLog) -> None:
    """Writes that wait when the log is closed are committed and acknowledged."""
    creating = [asyncio.create_task(log.create(question(f"a{n}"))) for n in range(100)]
    await asyncio.sleep(0)
    await log.aclose()
    assert all(fresh for _, fresh in await asyncio.gather(*creating))
    assert len(await other.chat("ada", "c1")) == 100


async def test_a_closed_log_is_unavailable(log: SqliteAnswerLog) -> None:
    """Every method says so with `LogUnavailable`, reads as well as writes."""
    claim = await begun(log)
    await log.aclose()
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: log.create(question("a2")),
        lambda: log.append(claim, batch(0, 1), LEASE_S),
        lambda: log.meta("a1"),
        lambda: log.read("a1", 0, 1),
        lambda: log.chats("ada", 1),
    ]
    for call in calls:
        with pytest.raises(LogUnavailable):
            await call()


async def test_a_full_disk_is_unavailable_and_keeps_nothing_half(log: SqliteAnswerLog) -> None:
    """A batch that does not fit is absent as a whole; with room again the same batch is appended, in its place."""
    claim = await begun(log, entries=1)
    await _limit_pages(log, 1)
    large = Batch("large", 1, [b'{"x":"%s"}' % (b"x" * 200_000)] * 3, AnswerState.COMPLETED)
    with pytest.raises(LogUnavailable):
        await log.append(claim, large, LEASE_S)
    meta = await log.meta("a1")
    assert meta is not None
    assert (meta.state, meta.head) == (AnswerState.RUNNING, 1)
    assert await read_all(log) == [entry(0)]
    await _limit_pages(log, 1 << 30)
    assert await log.append(claim, large, LEASE_S) == Appended(4, False)
    assert await read_all(log) == [entry(0), *large.entries]


async def test_a_full_disk_acknowledges_nobody_wrongly(log: SqliteAnswerLog) -> None:
    """Of many writes that share a commit with one that does not fit, what was acknowledged is there, and nothing
    else of them."""
    claim = await begun(log)
    await _limit_pages(log, 20)
    large = Batch("large", 0, [b'{"x":"%s"}' % (b"x" * 500_000)])
    made = await asyncio.gather(
        *(log.create(question(f"q{n}")) for n in range(20)),
        log.append(claim, large, LEASE_S),
        *(log.create(question(f"r{n}")) for n in range(20)),
        return_exceptions=True,
    )
    failed = [result for result in made if isinstance(result, BaseException)]
    assert failed
    assert all(isinstance(failure, LogUnavailable) for failure in failed)
    acknowledged = {result[0].answer for result in made if isinstance(result, tuple)}
    await _limit_pages(log, 1 << 30)
    assert {meta.answer for meta in await log.chat("ada", "c1")} == acknowledged | {"a1"}
    assert await read_all(log) == []


async def test_a_locked_file_is_unavailable_until_it_is_free(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a stranger holds the file locked, writes fail in bounded time and reads go on; afterwards all is well."""
    monkeypatch.setattr(database, "_BUSY_S", 0.05)
    log = await SqliteAnswerLog.open(path, clock=clock)
    claim = await begun(log, entries=1)
    stranger = sqlite3.connect(path, isolation_level=None)
    stranger.execute("BEGIN IMMEDIATE")
    with pytest.raises(LogUnavailable):
        await log.append(claim, batch(1, 1), LEASE_S)
    assert await read_all(log) == [entry(0)]
    stranger.execute("ROLLBACK")
    stranger.close()
    assert await log.append(claim, batch(1, 1), LEASE_S) == Appended(2, False)
    await log.aclose()


def test_a_file_that_is_no_database_cannot_be_opened(path: Path) -> None:
    """`LogUnavailable` names the file without its directory; the file is left as it was."""
    path.write_bytes(b"not a database, but a letter to a friend" * 100)
    with pytest.raises(LogUnavailable, match=r"^answers\.db: ") as caught:
        asyncio.run(SqliteAnswerLog.open(path))
    assert str(path.parent) not in str(caught.value)
    assert path.read_bytes().startswith(b"not a database")


async def test_what_must_survive_the_machine_is_committed_fully(log: SqliteAnswerLog) -> None:
    """Questions, stop requests, releases and terminal entries; text entries are not, for their speed."""

    async def synchronous() -> str:
        def ask(db: sqlite3.Connection) -> str:
            return {1: "NORMAL", 2: "FULL"}[db.execute("PRAGMA synchronous").fetchone()[0]]

        return str(await log._db._submit(log._db._writes, ask, transaction=False))

    await log.create(question("a1"))
    assert await synchronous() == "FULL"
    claim = await claimed(log)
    await log.append(claim, batch(0, 2), LEASE_S)
    assert await synchronous() == "NORMAL"
    await log.request_stop("ada", "a1")
    assert await synchronous() == "FULL"
    await log.append(claim, batch(2, 2), LEASE_S)
    assert await synchronous() == "NORMAL"
    await log.release(claim)
    assert await synchronous() == "FULL"
    claim = await claimed(log)
    await log.append(claim, batch(4, 2), LEASE_S)
    assert await synchronous() == "NORMAL"
    await log.append(claim, batch(6, 1, seal=AnswerState.STOPPED), LEASE_S)
    assert await synchronous() == "FULL"


async def test_after_a_reboot_unsealed_answers_have_another_epoch(path: Path) -> None:
    """Their last text entries may be gone with the power, so old cursors must not be trusted; sealed ones keep theirs,
    and so does everything while the machine is up."""
    epochs: list[list[str]] = []
    for boot in ("first", "first", "second", "second"):
        log = await SqliteAnswerLog.open(path, boot=lambda boot=boot: boot)  # type: ignore[misc]
        if not epochs:
            await begun(log, "a1", entries=2)
            await log.create(question("a2"))
            sealed = await begun(log, "a3")
            await log.append(sealed, batch(0, 1, seal=AnswerState.COMPLETED), LEASE_S)
        epochs.append([meta.epoch for meta in await log.chat("ada", "c1")])
        assert await read_all(log) == [entry(0), entry(1)]
        await log.aclose()
    first, same, rebooted, again = epochs
    assert first == same == ["e-a1", "e-a2", "e-a3"]
    assert rebooted == again
    assert rebooted[2] == "e-a3"
    assert len({*first, *rebooted}) == 5


_WRITER = """
import asyncio, sys
from pathlib import Path
from chatserver.answers.log import Batch
from chatserver.answers.meta import NewAnswer
from chatserver.answers.sqlite import SqliteAnswerLog

async def write(log, answer):
    await log.create(NewAnswer(answer, "e", "ada", "c1", answer, "?", 1.0))
    print(answer, 0, flush=True)
    claim, _ = await log.claim(answer, "doomed", 10)
    head = 0
    while True:
        size = 1 + head % 7
        entries = [b'{"n":%d}' % (head + n) for n in range(size)]
        head = (await log.append(claim, Batch(f"b{head}", head, entries), 10)).head
        print(answer, head, flush=True)

async def main():
    log = await SqliteAnswerLog.open(Path(sys.argv[1]))
    async with asyncio.TaskGroup() as group:
        for n in range(4):
            group.create_task(write(log, f"a{n}"))

asyncio.run(main())
"""


async def test_what_was_acknowledged_survives_kill_9(path: Path) -> None:
    """A process that dies in the middle of appends leaves every acknowledged entry, contiguous, whole batches only,
    and another process goes on from there."""
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _WRITER, str(path), stdout=asyncio.subprocess.PIPE
    )
    assert writer.stdout is not None
    acknowledged: dict[str, int] = {}
    async with asyncio.timeout(20):
        while sum(acknowledged.values()) < 1000 or len(acknowledged) < 4:
            acknowledged |= _acknowledged(await writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        for line in (await writer.stdout.read()).splitlines():
            acknowledged |= _acknowledged(line)
    assert await writer.wait() == -signal.SIGKILL

    log = await SqliteAnswerLog.open(path, clock=lambda: 1e12)
    for answer, head in acknowledged.items():
        meta = await log.meta(answer)
        assert meta is not None
        entries = await read_all(log, answer, limit=100)
        assert entries == [b'{"n":%d}' % n for n in range(meta.head)]
        assert meta.head >= head
        claim = await claimed(log, answer, "heir")
        assert (await log.append(claim, Batch("heir", meta.head, [b"{}"]), LEASE_S)).head == meta.head + 1
    await log.aclose()


def _acknowledged(line: bytes) -> dict[str, int]:
    answer, head = line.decode().split()
    return {answer: int(head)}


async def _limit_pages(log: SqliteAnswerLog, spare: int) -> None:
    """Lets the file grow by so many pages and no more, as a disk does that is nearly full."""

    def limit(db: sqlite3.Connection) -> None:
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count={min(pages + spare, (1 << 30))}")

    await log._db.write(limit)
