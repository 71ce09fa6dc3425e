"""A copy of a data directory as it was at one instant, while servers and workers use it.

Theory of operation
    Each SQLite file is consistent by itself; together they are so only if all are copied as of the same moment: a job
    in the answer log names files in the spool and notes in the ledger. So for a few milliseconds every file's write
    lock is held at once. Under it a reader is opened on each file, which goes on seeing that moment (WAL), and the
    spool, whose files never change, is linked aside. Then the locks are let go of, and the copies are made from
    the readers by SQLite's backup API, for as long as they take: writers wait for nothing.

    Nobody takes two of these locks but us, and we take them in the order of the names: there is no deadlock.
"""

import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SPOOL: Final = "spool"
_SMALL: Final = ("home", "migration.json")
_BUSY_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Moment:
    """A data directory at one instant: `databases` are readers of it, `files` copies and links, by their names."""

    databases: dict[str, sqlite3.Connection]
    files: dict[str, Path]
    held_s: float
    """How long writers had to wait for it."""


@contextmanager
def moment(directory: Path) -> Iterator[Moment]:
    """As long as the context lasts the files' logs of writes can't be cut short. Raises `sqlite3.Error`, OSError."""
    paths = sorted(directory.glob("*.db"))
    with ExitStack() as stack:
        aside = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".backup-", dir=directory)))
        readers = {path.name: stack.enter_context(closing(_connect(path))) for path in paths}
        with _no_writers(paths):
            began = time.perf_counter()
            for reader in readers.values():
                reader.execute("BEGIN")
                reader.execute("SELECT count(*) FROM sqlite_master").fetchone()  # this is when it begins to see
            _set_aside(directory, aside)
            held_s = time.perf_counter() - began
        files = {path.relative_to(aside).as_posix(): path for path in sorted(aside.rglob("*")) if path.is_file()}
        yield Moment(readers, files, held_s)


def copy_database(reader: sqlite3.Connection, target: Path, prepare: Callable[[sqlite3.Connection], None]) -> None:
    """What the reader sees, as one file without a log beside it; `prepare` may change the copy. Raises
    `sqlite3.Error`."""
    with closing(sqlite3.connect(target, isolation_level=None)) as copy:
        reader.backup(copy, pages=4096, sleep=0)
        copy.execute("PRAGMA journal_mode=DELETE")
        prepare(copy)


@contextmanager
def _no_writers(paths: Sequence[Path]) -> Iterator[None]:
    with ExitStack() as stack:
        for path in paths:
            lock = stack.enter_context(closing(_connect(path)))
            lock.execute("BEGIN IMMEDIATE")
            stack.callback(lock.execute, "ROLLBACK")
        yield


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)


def _set_aside(directory: Path, aside: Path) -> None:
    """Servers keep and let go of what jobs were given meanwhile: what is gone by now belongs to one that has ended."""
    for name in _SMALL:
        with suppress(FileNotFoundError):
            shutil.copy2(directory / name, aside / name)
    for folder, _, names in os.walk(directory / SPOOL, onerror=_refuse):
        made = aside / Path(folder).relative_to(directory)
        made.mkdir()
        for name in names:
            with suppress(FileNotFoundError):
                _link(Path(folder, name), made / name)


def _refuse(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # a file system without links
        shutil.copy2(source, target)
