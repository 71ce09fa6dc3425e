"""The entries of an answer in SQLite: batches that only the holder of the claim appends, each once."""

import sqlite3
from typing import Final

from chatserver.answers.log import Appended, Batch, Claim, Conflict, Fenced
from chatserver.answers.sqlite_schema import one
from chatserver.answers.states import AnswerState

_PAGE_BYTES: Final = 1 << 20


def append(db: sqlite3.Connection, claim: Claim, batch: Batch, lease_until: float) -> Appended:
    """`AnswerLog.append`, in a transaction that the caller has begun. Raises `Fenced`, `Conflict`."""
    head = batch.expected_head + len(batch.entries)
    row = db.execute(
        "UPDATE answers SET head = ?, lease_until = ?, state = coalesce(?, state), owner = iif(? IS NULL, owner, NULL)"
        " WHERE id = ? AND generation = ? AND owner = ? AND state = 'running' AND head = ?"
        " RETURNING key, stop_requested",
        (
            head,
            lease_until,
            batch.seal,
            batch.seal,
            claim.answer,
            claim.generation,
            claim.owner,
            batch.expected_head,
        ),
    ).fetchone()
    if row is None:
        return _repeated(db, claim, batch, head)
    key, stop_requested = row
    db.execute(
        "INSERT INTO batches (answer, head, first, id, entries) VALUES (?, ?, ?, ?, ?)",
        (key, head, batch.expected_head, batch.id, b"\n".join(batch.entries)),
    )
    return Appended(head, bool(stop_requested))


def _repeated(db: sqlite3.Connection, claim: Claim, batch: Batch, head: int) -> Appended:
    """Why nothing was appended: the batch is here already, or the claim is lost, or the writer miscounted."""
    row = db.execute(
        "SELECT a.stop_requested FROM answers a JOIN batches b ON b.answer = a.key"
        " WHERE a.id = ? AND b.head = ? AND b.id = ?",
        (claim.answer, head, batch.id),
    ).fetchone()
    if row is not None:
        return Appended(head, bool(row[0]))
    meta = one(db, "id = ?", (claim.answer,))
    held = meta is not None and meta.state is AnswerState.RUNNING and meta.generation == claim.generation
    if meta is None or not held or meta.owner != claim.owner:
        raise Fenced(claim.answer)
    raise Conflict(f"head is {meta.head}, not {batch.expected_head}")


def entries(db: sqlite3.Connection, answer: str, first: int, limit: int) -> list[bytes]:
    """`AnswerLog.read`: whole batches, until there are `limit` entries or a page of bytes."""
    rows = db.execute(
        "SELECT b.first, b.entries FROM batches b JOIN answers a ON a.key = b.answer"
        " WHERE a.id = ? AND b.head > ? ORDER BY b.head",
        (answer, first),
    )
    found: list[bytes] = []
    size = 0
    for batch_first, blob in rows:
        found += blob.split(b"\n")[max(0, first - batch_first) :]
        size += len(blob)
        if len(found) >= limit or size >= _PAGE_BYTES:
            break
    return found
