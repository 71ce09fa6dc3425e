"""Taking answers out of the log in SQLite, a part at a time: whoever tells an answer meanwhile waits for a part."""

import sqlite3
from typing import Final

from retrieval.embedded.database import Database

_PART: Final = 200
_SEALED: Final = "state NOT IN ('queued', 'running')"


async def erase(database: Database, user: str) -> list[str]:
    """The user's answers, and what was written of them: their bytes are overwritten, in the file and its log of
    writes. Raises `sqlite3.Error`."""
    erased: list[str] = []
    while part := await database.write(lambda db: _remove(db, "user = ?", (user,)), durable=True):
        erased += part
    await database.truncate_log()
    return erased


async def remove_ended(database: Database, asked_before: float) -> int:
    """Answers that have ended and whose question is older; how many. Raises `sqlite3.Error`."""
    removed = 0
    where = f"asked_at < ? AND {_SEALED}"
    while part := await database.write(lambda db: _remove(db, where, (asked_before,))):
        removed += len(part)
    return removed


def _remove(db: sqlite3.Connection, where: str, values: tuple[object, ...]) -> list[str]:
    (secure,) = db.execute("PRAGMA secure_delete").fetchone()
    db.execute("PRAGMA secure_delete=ON")
    some = f"SELECT key FROM answers WHERE {where} LIMIT {_PART}"
    rows = db.execute(f"DELETE FROM answers WHERE key IN ({some}) RETURNING id", values).fetchall()
    db.execute(f"PRAGMA secure_delete={secure}")
    return [id for (id,) in rows]
