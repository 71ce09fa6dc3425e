"""One SQLite file, used from asyncio: a writer thread with group commit and a small pool of reader threads.

Theory of operation
    Writes are functions of a connection. They queue for one writer thread, which takes all that wait, runs them in
    one transaction (each in a savepoint of its own, so that a failing one undoes only itself) and commits once: the
    cost of a commit is shared by everybody who waited for it. A write is acknowledged only after that commit.

    Durability is chosen by write. The file is in WAL mode. A commit with `synchronous=NORMAL` survives the death of
    the process, not of the machine; one with FULL is on the disk, and with it everything committed before it. A
    group is committed FULL when any write in it asked for that.

    No cursor leaves its thread. A connection keeps its statements by their text, and a cursor that dies in another
    thread resets the one that it used, under the hands of whoever runs it at that moment ("API misuse").

    Several processes may hold the file open: SQLite serialises the transactions, `foreign_commits` tells whether
    another process has committed.

    A file carries the number of its format. Tables and columns that are added by name (`migrate`) leave it as it is:
    older code goes on beside them. What older code would read wrongly raises it, and older code then refuses the file.
"""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, Self, TypeVar

T = TypeVar("T")

FORMAT: Final = 1
"""Of all files of a data directory, in SQLite's `user_version`; 0 is a file that was made before there was a number."""

_GROUP = 512  # writes in one transaction at most: bounds the time that the file stays locked
_READS = 8  # reads that one thread takes at a time, and answers with one wake-up of the event loop
_BULK = ("PRAGMA cache_size=-16000", "PRAGMA wal_autocheckpoint=4000")
"""16 MB of pages in memory, and as many in the log before they are moved into the file: each batch of an ingest changes
pages that the ones before it have changed. Half of the system's time; elsewhere a commit would wait longer now and then
for the pages to be moved."""
_BUSY_S = 30.0
_AGAIN_S = 0.01


class NewerData(Exception):
    """The file was written by a later version, which alone knows how to read it. Nothing was changed in it."""

    code = "newer_data"

    def __init__(self, path: Path, found: int) -> None:
        super().__init__(
            f"{path.name} has format {found}, and this version of chatserver knows none above {FORMAT}: use the "
            "version that wrote it, or a later one"
        )


@dataclass(slots=True)
class _Job:
    run: Callable[[sqlite3.Connection], Any]
    durable: bool
    transaction: bool
    loop: asyncio.AbstractEventLoop
    done: "asyncio.Future[Any]"
    result: Any = None
    error: BaseException | None = None


class Database:
    """Open it with `await Database.open(path)`, close it with `await db.aclose()`.

    Writes that nobody awaits any more (a cancelled caller) still run. The queue of writes is bounded by the callers:
    each waits for its own write.
    """

    def __init__(self, path: Path, writer: sqlite3.Connection, readers: Sequence[sqlite3.Connection]) -> None:
        self.path = path
        self._writes: SimpleQueue[_Job | None] = SimpleQueue()
        self._reads: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads = [self._thread(self._write_loop, "write", writer)]
        self._threads += [self._thread(self._read_loop, f"read-{n}", reader) for n, reader in enumerate(readers)]
        self._synchronous = "NORMAL"
        self._data_version = -1
        self._closed = False

    @classmethod
    async def open(cls, path: Path, *, readers: int = 2, bulk: bool = False) -> Self:
        """Creates the file and its directory when they are missing; `bulk`: much is written into it at once. Raises
        `sqlite3.Error` when it can't, and `NewerData`."""
        db = cls(path, *await asyncio.to_thread(_connections, path, readers, bulk))
        for thread in db._threads:
            thread.start()
        await db.foreign_commits()
        return db

    async def read(self, run: Callable[[sqlite3.Connection], T]) -> T:
        """Runs `run` in a reader thread, on a read-only connection that sees the last commit. A cursor that `run`
        returns is closed and given as None."""
        result: T = await self._submit(self._reads, run)
        return result

    async def write(self, run: Callable[[sqlite3.Connection], T], *, durable: bool = False) -> T:
        """Runs `run` in a transaction; returns its result once that is committed. An exception of `run` undoes
        what it did, and only that. A cursor that `run` returns is closed and given as None. Raises `sqlite3.Error`
        when the commit fails (disk full): then nothing of it is kept."""
        result: T = await self._submit(self._writes, run, durable=durable)
        return result

    async def migrate(self, name: str, statements: Sequence[str]) -> None:
        """Runs the statements once in the life of the file; `name` tells which ran."""

        def run(connection: sqlite3.Connection) -> None:
            connection.execute("CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY)")
            done = connection.execute("INSERT OR IGNORE INTO migrations VALUES (?)", (name,))
            if done.rowcount:
                for statement in statements:
                    connection.execute(statement)

        await self.write(run, durable=True)

    async def truncate_log(self) -> None:
        """Moves what was written into the file, and empties the log beside it, so that nothing of what was overwritten
        is left there. Waits for readers of older states, up to half a minute; raises `sqlite3.OperationalError` when
        they don't end."""

        def run(connection: sqlite3.Connection) -> None:
            ends = time.monotonic() + _BUSY_S
            while not _has_truncated(connection):  # at once, when another connection is moving what was written
                if time.monotonic() > ends:
                    raise sqlite3.OperationalError(f"{self.path.name} is being read in an older state")
                time.sleep(_AGAIN_S)

        await self._submit(self._writes, run, transaction=False)

    async def foreign_commits(self) -> bool:
        """Whether another process has committed since the last call."""

        def run(connection: sqlite3.Connection) -> bool:
            before = self._data_version
            (self._data_version,) = connection.execute("PRAGMA data_version").fetchone()
            return before != self._data_version

        return bool(await self._submit(self._writes, run, transaction=False))

    async def aclose(self) -> None:
        """Finishes the reads and writes that are queued. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._writes.put(None)
        self._reads.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    async def _submit(
        self,
        queue: "SimpleQueue[_Job | None]",
        run: Callable[[sqlite3.Connection], Any],
        *,
        durable: bool = False,
        transaction: bool = True,
    ) -> Any:
        if self._closed:
            raise sqlite3.ProgrammingError(f"{self.path.name} is closed")
        loop = asyncio.get_running_loop()
        job = _Job(run, durable, transaction, loop, loop.create_future())
        queue.put(job)
        return await job.done

    def _thread(
        self, loop: Callable[[sqlite3.Connection], None], name: str, connection: sqlite3.Connection
    ) -> threading.Thread:
        return threading.Thread(target=loop, args=(connection,), name=f"{self.path.stem}-{name}", daemon=True)

    def _read_loop(self, connection: sqlite3.Connection) -> None:
        while (group := _next_group(self._reads, _READS)) is not None:
            for read in group:
                _run(connection, read)
            _resolve_all(group)
        connection.close()

    def _write_loop(self, connection: sqlite3.Connection) -> None:
        while (group := _next_group(self._writes, _GROUP)) is not None:
            self._run_group(connection, group)
        connection.close()

    def _run_group(self, connection: sqlite3.Connection, group: list[_Job]) -> None:
        for write in group:
            if not write.transaction:
                _run(connection, write)
        in_transaction = [write for write in group if write.transaction]
        if in_transaction:
            try:
                self._commit(connection, in_transaction)
            except BaseException as error:  # handed to every caller of the group
                with suppress(sqlite3.Error):  # a failed commit may have rolled back by itself
                    connection.execute("ROLLBACK")
                for write in in_transaction:
                    write.error = write.error or error
        _resolve_all(group)

    def _commit(self, connection: sqlite3.Connection, group: list[_Job]) -> None:
        synchronous = "FULL" if any(write.durable for write in group) else "NORMAL"
        if synchronous != self._synchronous:
            connection.execute(f"PRAGMA synchronous={synchronous}")
            self._synchronous = synchronous
        connection.execute("BEGIN IMMEDIATE")
        for write in group:
            connection.execute("SAVEPOINT one")
            _run(connection, write)
            if write.error is not None:
                connection.execute("ROLLBACK TO one")
            connection.execute("RELEASE one")
        connection.execute("COMMIT")


def _connections(path: Path, readers: int, bulk: bool) -> tuple[sqlite3.Connection, list[sqlite3.Connection]]:
    """One that writes and so many that read: all of them or, when one fails, none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as opened:
        writer, *others = [opened.enter_context(closing(_connect(path))) for _ in range(1 + readers)]
        _agree_on_format(writer, path)
        for connection in (writer, *others):
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("PRAGMA temp_store=MEMORY")
        for reader in others:
            reader.execute("PRAGMA query_only=ON")
        for pragma in _BULK if bulk else ():
            writer.execute(pragma)
        opened.pop_all()
    return writer, others


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)


def _agree_on_format(connection: sqlite3.Connection, path: Path) -> None:
    """Before anything else is written. Raises `NewerData`."""
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found > FORMAT:
        raise NewerData(path, found)
    _keep_a_log(connection)
    if found < FORMAT:
        connection.execute(f"PRAGMA user_version={FORMAT}")


def _keep_a_log(connection: sqlite3.Connection) -> None:
    """The one statement that SQLite lets wait for nobody (it has begun to read when it wants to write): of two
    processes that make a file at once, the second would be refused as long as the first one's disk takes."""
    ends = time.monotonic() + _BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > ends:
                raise
            time.sleep(_AGAIN_S)


def _has_truncated(connection: sqlite3.Connection) -> bool:
    busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def _next_group(queue: "SimpleQueue[_Job | None]", limit: int) -> list[_Job] | None:
    """What waits, at least one; None at the end, which stays in the queue for the other threads."""
    group: list[_Job] = []
    while len(group) < limit:
        try:
            job = queue.get(block=not group)
        except Empty:
            break
        if job is None:
            queue.put(None)
            return group or None
        group.append(job)
    return group


def _run(connection: sqlite3.Connection, write: _Job) -> None:
    try:
        result = write.run(connection)
        if isinstance(result, sqlite3.Cursor):
            result.close()
        else:
            write.result = result
    except BaseException as error:  # handed to the caller
        write.error = error


def _resolve_all(group: list[_Job]) -> None:
    """One wake-up of each event loop for the whole group."""
    loops: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
    for write in group:
        loops.setdefault(write.loop, []).append(write)
    for loop, writes in loops.items():
        with suppress(RuntimeError):  # it has been closed: nobody waits there any more
            loop.call_soon_threadsafe(_resolve, writes)


def _resolve(writes: list[_Job]) -> None:
    for write in writes:
        if write.done.done():
            continue  # the caller was cancelled
        if write.error is not None:
            write.done.set_exception(write.error)
        else:
            write.done.set_result(write.result)
