"""One SQLite file behind asyncio: what a write, a group of writes and a close promise."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from retrieval.embedded.database import Database

CHECKPOINT_LOCK: Final = 121
"""Of SQLite's file format: who moves a log of writes into its file holds this byte of the `-shm` beside it."""
HOLDS = (
    "import fcntl, sys; shared = open(sys.argv[1], 'r+b'); fcntl.lockf(shared, fcntl.LOCK_EX, 1, int(sys.argv[2]));"
    "print('held', flush=True); input()"
)
UNABLE: Final = "unable to open database file"
OPENS_WITH_FEW_FILES = """
import asyncio, os, pathlib, resource, sqlite3, sys
from retrieval.embedded.database import Database

async def run():
    there = len(os.listdir("/proc/self/fd"))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    for more in range(12):
        resource.setrlimit(resource.RLIMIT_NOFILE, (there + more, most))
        try:
            await (await Database.open(pathlib.Path(sys.argv[1]))).aclose()
            print(more, "opened")
        except sqlite3.OperationalError as error:
            print(more, error)

asyncio.run(run())
"""


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    db = await Database.open(tmp_path / "new" / "some.db")
    await db.migrate("things-1", ["CREATE TABLE things (name TEXT PRIMARY KEY)"])
    yield db
    await db.aclose()


def put(*names: str) -> Callable[[sqlite3.Connection], None]:
    def run(connection: sqlite3.Connection) -> None:
        for name in names:
            connection.execute("INSERT INTO things VALUES (?)", (name,))

    return run


async def names(db: Database) -> list[str]:
    rows = await db.read(lambda connection: connection.execute("SELECT name FROM things ORDER BY name").fetchall())
    return [name for (name,) in rows]


async def synchronous(db: Database) -> int:
    """As the writer's connection has it: 1 NORMAL, 2 FULL."""

    def ask(connection: sqlite3.Connection) -> int:
        return int(connection.execute("PRAGMA synchronous").fetchone()[0])

    return int(await db._submit(db._writes, ask, transaction=False))


async def test_a_write_is_read_once_it_is_acknowledged(db: Database) -> None:
    """By any reader, from then on."""
    await db.write(put("a"))
    assert await names(db) == ["a"]


async def test_a_failing_write_undoes_itself_and_no_other(db: Database) -> None:
    """Of many that share one commit, those that raise leave nothing, not even what they did before raising."""
    await db.write(put("taken"))
    outcomes = await asyncio.gather(
        db.write(put("a")), db.write(put("half", "taken")), db.write(put("b")), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), sqlite3.IntegrityError, type(None)]
    assert await names(db) == ["a", "b", "taken"]


async def test_any_exception_of_a_write_undoes_it(db: Database) -> None:
    """Also one that SQLite knows nothing of; the writer goes on."""

    def fail(connection: sqlite3.Connection) -> None:
        put("half")(connection)
        raise KeyError("mine")

    with pytest.raises(KeyError):
        await db.write(fail)
    await db.write(put("a"))
    assert await names(db) == ["a"]


async def test_durability_is_chosen_by_the_write(db: Database) -> None:
    """A durable write commits with FULL, also when it shares the commit with others; one that is not, with NORMAL."""
    await db.write(put("a"))
    assert await synchronous(db) == 1
    await db.write(put("b"), durable=True)
    assert await synchronous(db) == 2
    await asyncio.gather(db.write(put("c")), db.write(put("d"), durable=True), db.write(put("e")))
    await db.write(put("f"))
    assert await synchronous(db) == 1


async def test_a_write_that_nobody_awaits_any_more_still_runs(db: Database) -> None:
    """Cancelling the caller does not take back what was queued."""
    writing = asyncio.create_task(db.write(put("a")))
    await asyncio.sleep(0)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    await db.write(put("b"))
    assert await names(db) == ["a", "b"]


async def test_readers_cannot_write(db: Database) -> None:
    """A read that tries fails, and changes nothing."""
    with pytest.raises(sqlite3.OperationalError):
        await db.read(put("a"))
    assert await names(db) == []


async def test_commits_of_others_are_noticed_once(db: Database) -> None:
    """Our own commits are none of others'."""
    other = await Database.open(db.path)
    await db.foreign_commits()
    await db.write(put("a"))
    assert await db.foreign_commits() is False
    await other.write(put("b"))
    assert await db.foreign_commits() is True
    assert await db.foreign_commits() is False
    await other.aclose()


async def test_a_migration_runs_once(db: Database) -> None:
    """In the life of the file, whoever opens it; one that fails leaves nothing of itself."""
    await db.migrate("things-1", ["CREATE TABLE things (name TEXT)"])
    with pytest.raises(sqlite3.OperationalError):
        await db.migrate("more-1", ["CREATE TABLE more (x)", "CREATE TABLE more (x)"])
    await db.migrate("more-1", ["CREATE TABLE more (x)"])
    assert await names(db) == []


async def test_closing_finishes_what_is_queued_and_is_idempotent(db: Database) -> None:
    """Afterwards reads and writes say that it is closed."""
    writing = asyncio.gather(*(db.write(put(f"n{n}")) for n in range(50)))
    await asyncio.sleep(0)
    await db.aclose()
    await db.aclose()
    await writing
    for closed in (lambda: db.write(put("late")), lambda: names(db), db.foreign_commits):
        with pytest.raises(sqlite3.ProgrammingError):
            await closed()
    with sqlite3.connect(db.path) as connection:
        assert connection.execute("SELECT count(*) FROM things").fetchone() == (50,)
    connection.close()


async def test_a_cursor_stays_in_its_thread(db: Database) -> None:
    """Whoever dropped it elsewhere would reset the statement of the write that runs at that moment."""
    kept: list[sqlite3.Cursor] = []

    def run(connection: sqlite3.Connection) -> sqlite3.Cursor:
        kept.append(connection.execute("SELECT name FROM things"))
        return kept[0]

    assert await db.read(run) is None
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        kept.pop().fetchall()
    assert await db.write(run) is None


async def test_two_processes_may_make_a_file_at_once(tmp_path: Path) -> None:
    """The later one waits for what the first one writes, however slow the disk."""
    path = tmp_path / "some.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as first:
        first.execute("BEGIN IMMEDIATE")
        first.execute("CREATE TABLE other (x)")
        opening = asyncio.create_task(Database.open(path))
        await asyncio.wait({opening}, timeout=0.5)
        first.execute("COMMIT")
    db = await opening
    assert await db.read(lambda connection: connection.execute("PRAGMA journal_mode").fetchone()) == ("wal",)
    await db.aclose()


async def test_the_log_is_emptied_when_another_process_has_moved_it(db: Database) -> None:
    """Two can't move it at once: the later one waits, although SQLite itself would refuse it."""
    await db.write(put("a"))
    log, shared = (db.path.with_name(db.path.name + kind) for kind in ("-wal", "-shm"))
    other = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLDS, shared, str(CHECKPOINT_LOCK)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert other.stdout is not None
    assert await other.stdout.readline() == b"held\n"
    emptying = asyncio.create_task(db.truncate_log())
    await asyncio.wait({emptying}, timeout=0.5)
    assert log.stat().st_size
    await other.communicate(b"\n")
    await emptying
    assert log.stat().st_size == 0
    assert await names(db) == ["a"]


def test_what_cannot_be_opened_is_told(tmp_path: Path) -> None:
    """A process that may have no more files open learns it, wherever it comes to that, rather than wait for threads
    that have none."""
    ran = subprocess.run(
        [sys.executable, "-c", OPENS_WITH_FEW_FILES, tmp_path / "some.db"], capture_output=True, text=True, timeout=60
    )
    assert ran.stderr == ""
    told = [line.partition(" ")[2] for line in ran.stdout.splitlines()]
    assert (told[0], told[-1], set(told)) == (UNABLE, "opened", {UNABLE, "opened"})
