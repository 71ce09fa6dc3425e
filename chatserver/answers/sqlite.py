"""The answer log in one SQLite file that several processes may hold open.

Questions, stop requests and terminal entries are committed with `synchronous=FULL`: they survive a power
cut. Text entries are committed with NORMAL: they survive the death of the process, and become durable with the next
FULL commit (their own terminal at the latest). After a power cut an answer under way may so lose its last entries:
when the machine has booted anew, unsealed answers get another epoch, and a reader's old cursor a `snapshot` verdict.

The doorbell rings in the process that appends, with the entries. For what other processes do, SQLite's own commit
counter is looked at every `poll_s` while somebody is interested.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self, TypeVar

import structlog

from chatserver.answers.log import (
    Appended,
    Batch,
    ChatPlace,
    ChatSummary,
    Claim,
    Fenced,
    Listener,
    LogUnavailable,
    Ring,
)
from chatserver.answers.meta import JOBS, AnswerMeta, NewAnswer, job_id
from chatserver.answers.sqlite_entries import append, entries
from chatserver.answers.sqlite_removal import erase, remove_ended
from chatserver.answers.sqlite_schema import (
    CHATS,
    COLUMNS,
    MIGRATION,
    OWN_KEY,
    OWN_KEY_MIGRATION,
    SCHEMA,
    meta_of,
    one,
    row_of,
)
from retrieval.embedded.database import Database

T = TypeVar("T")

log = structlog.get_logger(__name__)

POLL_S = 0.025
CLEAN_S = 600.0
"""How often answers past their time are looked for."""
_UNSEALED = "state IN ('queued', 'running')"
_CLAIMABLE = "(state = 'queued' OR (state = 'running' AND lease_until < :now))"


def _boot_id() -> str:
    """Changes with each start of the machine; constant where the system does not tell."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else ""


class SqliteAnswerLog:
    def __init__(self, database: Database, *, clock: Callable[[], float], poll_s: float, keep_s: float) -> None:
        self._db = database
        self._clock = clock
        self._poll_s = poll_s
        self._keep_s = keep_s
        self._listeners: dict[Listener, Callable[[], bool]] = {}
        self._poller = asyncio.create_task(self._poll(), name="answer-log-poll")
        self._cleaner = asyncio.create_task(self._clean(), name="answer-log-clean") if keep_s else None

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        clock: Callable[[], float] = time.time,
        poll_s: float = POLL_S,
        keep_s: float = 0.0,
        boot: Callable[[], str] = _boot_id,
    ) -> Self:
        """`keep_s` is how long an ended answer is kept, 0 for ever. Raises `LogUnavailable` when the file can't be
        opened, `NewerData`."""
        database = None
        try:
            database = await Database.open(path)
            await database.migrate(MIGRATION, SCHEMA)
            await database.migrate(OWN_KEY_MIGRATION, OWN_KEY)
            await database.write(lambda db: _note_boot(db, boot()), durable=True)
        except (sqlite3.Error, OSError) as error:
            if database is not None:
                await database.aclose()
            raise LogUnavailable(f"{path.name}: {error}") from error
        return cls(database, clock=clock, poll_s=poll_s, keep_s=keep_s)

    async def create(self, new: NewAnswer) -> tuple[AnswerMeta, bool]:
        def run(db: sqlite3.Connection) -> tuple[AnswerMeta, bool]:
            made = db.execute(
                "INSERT INTO answers"
                " (id, epoch, user, chat, ask_id, text, asked_at, namespace, filter, options, own_key)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (user, ask_id) DO NOTHING",
                row_of(new),
            )
            meta = one(db, "user = ? AND ask_id = ?", (new.user, new.ask_id))
            assert meta is not None
            return meta, made.rowcount == 1

        return await self._write(run, durable=True)

    async def claim(self, answer: str, owner: str, lease_s: float) -> tuple[Claim, AnswerMeta] | None:
        now = self._clock()

        def run(db: sqlite3.Connection) -> AnswerMeta | None:
            values = {"id": answer, "owner": owner, "lease": now + lease_s, "now": now}
            row = db.execute(
                "UPDATE answers SET state = 'running', owner = :owner, generation = generation + 1,"
                f" lease_until = :lease WHERE id = :id AND {_CLAIMABLE} RETURNING {COLUMNS}",
                values,
            ).fetchone()
            return meta_of(row) if row else None

        # Not FULL: a power cut that loses this commit also loses every entry appended under it.
        meta = await self._write(run)
        return None if meta is None else (Claim(answer, meta.generation, owner), meta)

    async def renew(self, claim: Claim, lease_s: float) -> bool:
        lease_until = self._clock() + lease_s

        def run(db: sqlite3.Connection) -> bool:
            row = db.execute(
                "UPDATE answers SET lease_until = ? WHERE id = ? AND generation = ? AND owner = ?"
                " AND state = 'running' RETURNING stop_requested",
                (lease_until, claim.answer, claim.generation, claim.owner),
            ).fetchone()
            if row is None:
                raise Fenced(claim.answer)
            return bool(row[0])

        return await self._write(run)

    async def append(self, claim: Claim, batch: Batch, lease_s: float) -> Appended:
        lease_until = self._clock() + lease_s
        appended = await self._write(lambda db: append(db, claim, batch, lease_until), durable=batch.seal is not None)
        self._ring(Ring(claim.answer, batch.expected_head, batch.entries, batch.seal))
        return appended

    async def release(self, claim: Claim) -> None:
        def run(db: sqlite3.Connection) -> None:
            done = db.execute(
                "UPDATE answers SET state = 'queued', owner = NULL, lease_until = 0 WHERE id = ? AND generation = ?"
                " AND owner = ? AND state = 'running'",
                (claim.answer, claim.generation, claim.owner),
            )
            if not done.rowcount:
                raise Fenced(claim.answer)

        await self._write(run, durable=True)
        self._ring(Ring(claim.answer))

    async def request_stop(self, user: str, answer: str) -> AnswerMeta | None:
        def run(db: sqlite3.Connection) -> AnswerMeta | None:
            db.execute(
                f"UPDATE answers SET stop_requested = 1 WHERE id = ? AND user = ? AND {_UNSEALED}",
                (answer, user),
            )
            return one(db, "id = ? AND user = ?", (answer, user))

        meta = await self._write(run, durable=True)
        if meta is not None and not meta.state.sealed:
            self._ring(Ring(answer))
        return meta

    async def acknowledge(self, user: str, answer: str, seq: int) -> AnswerMeta | None:
        def run(db: sqlite3.Connection) -> AnswerMeta | None:
            db.execute(
                "UPDATE answers SET acknowledged = max(acknowledged, min(?, head - 1)) WHERE id = ? AND user = ?",
                (seq, answer, user),
            )
            return one(db, "id = ? AND user = ?", (answer, user))

        return await self._write(run)

    async def meta(self, answer: str) -> AnswerMeta | None:
        return await self._read(lambda db: one(db, "id = ?", (answer,)))

    async def of_ask(self, user: str, ask_id: str) -> AnswerMeta | None:
        return await self._read(lambda db: one(db, "user = ? AND ask_id = ?", (user, ask_id)))

    async def read(self, answer: str, first: int, limit: int) -> list[bytes]:
        return await self._read(lambda db: entries(db, answer, first, limit))

    async def chat(self, user: str, chat: str, *, undelivered: bool = False) -> list[AnswerMeta]:
        only = f" AND ({_UNSEALED} OR acknowledged < head - 1)" if undelivered else ""

        def run(db: sqlite3.Connection) -> list[AnswerMeta]:
            rows = db.execute(
                f"SELECT {COLUMNS} FROM answers WHERE user = ? AND chat = ?{only} ORDER BY asked_at, key",
                (user, chat),
            )
            return [meta_of(row) for row in rows]

        return await self._read(run)

    async def chats(self, user: str, limit: int, after: ChatPlace | None = None) -> list[ChatSummary]:
        place = (float("inf"), "") if after is None else (after.updated_at, after.chat)

        def run(db: sqlite3.Connection) -> list[ChatSummary]:
            rows = db.execute(CHATS, (user, JOBS, *place, limit))
            return [ChatSummary(*row) for row in rows]

        return await self._read(run)

    async def claimable(self, limit: int, *, jobs: bool = False) -> list[str]:
        now = self._clock()
        kind = f"id {'GLOB' if jobs else 'NOT GLOB'} :job"

        def run(db: sqlite3.Connection) -> list[str]:
            rows = db.execute(
                "SELECT id FROM (SELECT *, row_number() OVER (PARTITION BY user ORDER BY asked_at, key) AS turn"
                f" FROM answers WHERE {_CLAIMABLE} AND {kind}) ORDER BY turn, asked_at, key LIMIT :limit",
                {"now": now, "limit": limit, "job": job_id("*")},
            )
            return [id for (id,) in rows]

        return await self._read(run)

    async def stop_requests(self, owner: str) -> list[str]:
        def run(db: sqlite3.Connection) -> list[str]:
            rows = db.execute(f"SELECT id FROM answers WHERE owner = ? AND stop_requested AND {_UNSEALED}", (owner,))
            return [id for (id,) in rows]

        return await self._read(run)

    async def mark(self, answer: str, marks: Mapping[str, float]) -> None:
        def run(db: sqlite3.Connection) -> None:
            db.executemany(
                "INSERT OR IGNORE INTO marks SELECT key, ?, ? FROM answers WHERE id = ?",
                [(name, at, answer) for name, at in marks.items()],
            )

        await self._write(run)

    async def timeline(self, answer: str) -> dict[str, float]:
        def run(db: sqlite3.Connection) -> dict[str, float]:
            rows = db.execute(
                "SELECT name, at FROM marks JOIN answers ON answers.key = marks.answer WHERE id = ? ORDER BY at",
                (answer,),
            )
            return dict(rows.fetchall())

        return await self._read(run)

    async def erase(self, user: str) -> list[str]:
        try:
            return await erase(self._db, user)
        except sqlite3.Error as error:
            raise LogUnavailable(str(error)) from error

    def listen(self, listener: Listener, interested: Callable[[], bool]) -> Callable[[], None]:
        self._listeners[listener] = interested
        return lambda: self._listeners.pop(listener, None) and None

    async def follow(self, answer: str) -> None:
        """Every commit of another process rings."""

    def unfollow(self, answer: str) -> None:
        """The end of nothing."""

    async def aclose(self) -> None:
        """Idempotent; finishes the writes that are queued."""
        tasks = [task for task in (self._poller, self._cleaner) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._db.aclose()

    async def _poll(self) -> None:
        failing = False
        while True:
            await asyncio.sleep(self._poll_s)
            if not any(interested() for interested in self._listeners.values()):
                continue
            try:
                changed = await self._db.foreign_commits()
                failing = False
            except sqlite3.Error as error:
                if not failing:
                    log.warning("cannot look for what other processes wrote", error=str(error))
                changed, failing = not failing, True
            if changed:
                self._ring(Ring(""))

    async def _clean(self) -> None:
        while True:
            try:
                if removed := await remove_ended(self._db, self._clock() - self._keep_s):
                    log.info("answers past their time were removed", count=removed)
            except sqlite3.Error as error:
                log.warning("answers past their time cannot be removed", error=str(error))
            await asyncio.sleep(CLEAN_S)

    def _ring(self, ring: Ring) -> None:
        for listener in list(self._listeners):
            listener(ring)

    async def _read(self, run: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await self._db.read(run)
        except sqlite3.Error as error:
            raise LogUnavailable(str(error)) from error

    async def _write(self, run: Callable[[sqlite3.Connection], T], *, durable: bool = False) -> T:
        try:
            return await self._db.write(run, durable=durable)
        except sqlite3.Error as error:
            raise LogUnavailable(str(error)) from error


def _note_boot(db: sqlite3.Connection, boot: str) -> None:
    """After another boot the newest text entries of an unsealed answer may be gone: its cursors must not be trusted,
    so it gets another epoch."""
    row = db.execute("SELECT id FROM boots").fetchone()
    if row == (boot,):
        return
    db.execute("DELETE FROM boots")
    db.execute("INSERT INTO boots VALUES (?)", (boot,))
    db.execute(f"UPDATE answers SET epoch = lower(hex(randomblob(4))) WHERE {_UNSEALED}")
