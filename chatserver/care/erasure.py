"""Everything that is kept of one user, taken away: in the log, the spool, the ledger and the caches.

Theory of operation
    What runs is told to stop first, and given a while to end, so that its reader is told an end. Then the log lets go
    of the answers, and what lies elsewhere under the ids of jobs goes with them. Cached vectors have no user: they are
    kept by the hash of their text, so all of them go; they are copies of what can be computed again.

    What is not of a user stays: documents, records and the graph belong to a namespace.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chatserver.answers.log import AnswerLog
from chatserver.answers.meta import JOBS, is_job
from chatserver.embeddings.port import CacheUnavailable, VectorCache
from chatserver.ingest.ledger import Ledger
from chatserver.ingest.spool import Spool

_PAGE: Final = 500
_LOOK_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Erased:
    """`caches` are those that were emptied, `untouched` those that could not be reached, with the reason."""

    answers: int
    jobs: int
    caches: Sequence[str]
    untouched: Sequence[str]


async def erase(
    user: str, answers: AnswerLog, spool: Spool, ledger: Ledger, caches: Sequence[VectorCache], *, patience_s: float
) -> Erased:
    """What the user asks after this is kept again: their access is taken away first. Again, it finds nothing. Raises
    `LogUnavailable`, `RetrievalError`, OSError."""
    await _stop_all(user, answers, patience_s)
    erased = await answers.erase(user)
    jobs = [answer for answer in erased if is_job(answer)]
    for job in jobs:
        await spool.drop(job)
        await ledger.end(job)
    await ledger.scrub()
    emptied, untouched = [], []
    for cache in caches:
        try:
            await cache.clear()
            emptied.append(cache.name)
        except CacheUnavailable as error:
            untouched.append(f"{cache.name}: {error}")
    return Erased(len(erased) - len(jobs), len(jobs), emptied, untouched)


async def _stop_all(user: str, answers: AnswerLog, patience_s: float) -> None:
    """Until nothing of the user runs, or nobody has stopped it for so long."""
    ends = time.monotonic() + patience_s
    while running := await _unsealed(user, answers):
        for answer in running:
            await answers.request_stop(user, answer)
        if time.monotonic() > ends:
            return
        await asyncio.sleep(_LOOK_S)


async def _unsealed(user: str, answers: AnswerLog) -> list[str]:
    chats, place = [JOBS], None
    while page := await answers.chats(user, _PAGE, place):
        chats += [chat.chat for chat in page]
        place = page[-1].place
    return [
        meta.answer
        for chat in chats
        for meta in await answers.chat(user, chat, undelivered=True)
        if not meta.state.sealed
    ]
