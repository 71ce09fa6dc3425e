"""Are the files of a data directory whole: every page of each, and every answer's log."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from retrieval.embedded.database import FORMAT, NewerData

_SHOWN: Final = 5
_BUSY_S: Final = 30.0

# An answer's batches follow on each other from 0 to its head.
_HOLES: Final = """
    SELECT id FROM (
        SELECT a.id, b.first, lag(b.head, 1, 0) OVER (PARTITION BY b.answer ORDER BY b.head) AS before
        FROM batches b JOIN answers a ON a.key = b.answer)
    WHERE first <> before
    UNION SELECT id FROM answers a
    WHERE head <> (SELECT coalesce(max(b.head), 0) FROM batches b WHERE b.answer = a.key)
    LIMIT 6"""


def faults(path: Path) -> Iterator[str]:
    """What is wrong with one SQLite file, a line each; nothing is written. Raises `NewerData`."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_BUSY_S)) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > FORMAT:
                raise NewerData(path, version)
            for (told,) in connection.execute(f"PRAGMA integrity_check({_SHOWN})"):
                if told != "ok":
                    yield f"{path.name}: {told}"
            for table, *_ in connection.execute("PRAGMA foreign_key_check").fetchmany(_SHOWN):
                yield f"{path.name}: a row of {table} belongs to nothing"
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'batches'").fetchone():
                for (answer,) in connection.execute(_HOLES):
                    yield f"{path.name}: the log of answer {answer} has a hole"
    except sqlite3.Error as error:
        yield f"{path.name}: {error}"
