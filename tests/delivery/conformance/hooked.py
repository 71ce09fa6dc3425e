"""`uvicorn tests.delivery.conformance.hooked:app`: chatserver with a fault in its answer log, for points in time that
no signal from outside can hit.

    CONFORMANCE_FAULT   where the process kills itself, as SIGKILL would:
                        `before-append`, `after-append`: at the batch that has entry CONFORMANCE_AT, before it is
                        committed or before the generation hears of it;
                        `in-transaction`: when that batch is written and not committed;
                        `before-terminal`: when all of the answer but its terminal entry is committed;
                        `in-takeover`, `after-reset`: before or after the first append under a claim on an answer that
                        another process had begun.
    CONFORMANCE_SKEW_S  how far this process's clock is ahead.
Users are told apart by the header `X-User`.
"""

import os
import signal
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from chatserver.access.identity import Identity
from chatserver.answers.log import Appended, Batch, Claim
from chatserver.answers.redis import RedisAnswerLog
from chatserver.answers.sqlite import SqliteAnswerLog
from chatserver.app import create_app
from chatserver.wiring import answers

FAULT = os.environ.get("CONFORMANCE_FAULT", "")
AT = int(os.environ.get("CONFORMANCE_AT", "0"))
SKEW_S = float(os.environ.get("CONFORMANCE_SKEW_S", "0"))


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def append_or_die(
    append: Callable[[Claim, Batch, float], Awaitable[Appended]],
    die_in_transaction: Callable[[Batch], Awaitable[None]],
    claim: Claim,
    batch: Batch,
    lease_s: float,
) -> Appended:
    """The log's own `append`, with the fault at its point."""
    here = batch.expected_head <= AT < batch.expected_head + len(batch.entries)
    taken_over = claim.generation > 1
    if (FAULT == "in-takeover" and taken_over) or (FAULT == "before-append" and here):
        die()
    if FAULT == "in-transaction" and here:
        await die_in_transaction(batch)
    if FAULT == "before-terminal" and batch.seal is not None:
        if len(batch.entries) > 1:
            await append(claim, replace(batch, entries=batch.entries[:-1], seal=None), lease_s)
        die()
    appended = await append(claim, batch, lease_s)
    if (FAULT == "after-reset" and taken_over) or (FAULT == "after-append" and here):
        die()
    return appended


class HookedSqliteAnswerLog(SqliteAnswerLog):
    @classmethod
    async def open(cls, path: Path, **options: Any) -> Self:
        return await super().open(path, clock=lambda: time.time() + SKEW_S, **options)

    async def append(self, claim: Claim, batch: Batch, lease_s: float) -> Appended:
        return await append_or_die(super().append, self._die_in_transaction, claim, batch, lease_s)

    async def _die_in_transaction(self, batch: Batch) -> None:
        def run(db: sqlite3.Connection) -> None:
            db.execute(
                "INSERT INTO batches (answer, head, first, id, entries) SELECT key, head + ?, head, ?, ? FROM answers",
                (len(batch.entries), batch.id, b"\n".join(batch.entries)),
            )
            db.execute("UPDATE answers SET head = head + ?", (len(batch.entries),))
            db.execute("PRAGMA cache_spill = 1")
            die()

        await self._write(run)


class HookedRedisAnswerLog(RedisAnswerLog):
    """A script is the transaction: `in-transaction` dies before it. The clock is Redis's, whatever the node's says."""

    async def append(self, claim: Claim, batch: Batch, lease_s: float) -> Appended:
        return await append_or_die(super().append, self._die_in_transaction, claim, batch, lease_s)

    async def _die_in_transaction(self, batch: Batch) -> None:
        die()


async def by_header(scope: Mapping[str, Any]) -> Identity | None:
    user: bytes = dict(scope["headers"]).get(b"x-user", b"anonymous")
    return Identity(user.decode(), operator=True)


# They are not exported, and so no attributes to mypy; a name that is not there would be a fault that never happens.
for name, hooked in (("SqliteAnswerLog", HookedSqliteAnswerLog), ("RedisAnswerLog", HookedRedisAnswerLog)):
    assert hasattr(answers, name)
    setattr(answers, name, hooked)
app = create_app(identify=by_header)
