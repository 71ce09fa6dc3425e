"""A job of the data directory, run by this process; a server that runs over the same directory is no hindrance.

The job is as durable as any other: a command that was killed leaves it to whoever runs jobs here, and the same command
goes on with it. One that is interrupted cancels it; what is stored stays, and the same command is then a new job, which
finds that unchanged.
"""

import asyncio
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from chatserver.access.identity import ANONYMOUS
from chatserver.answers.meta import AnswerMeta
from chatserver.cli import terminal
from chatserver.cli.errors import CommandError
from chatserver.ingest.job import Status
from chatserver.ingest.jobs import QueueFull, Submission
from chatserver.ingest.report import Progress
from chatserver.settings import Settings
from chatserver.wiring import Here, open_jobs

_LOOK_S = 0.1
_TITLED = 3
_PAGE = 1_000


async def ingest_here(settings: Settings, paths: Sequence[Path], namespace: str, progress: Progress) -> Status:
    """The job's status when it has ended. Raises `CommandError`, `LogUnavailable`, `RetrievalError`."""
    given = await asyncio.to_thread(lambda: [os.path.realpath(path) for path in paths])
    async with open_jobs(settings, seeks=False) as here:
        meta = await _unfinished(here, given, namespace) or await _submitted(here, given, namespace)
        try:
            return await _run(here, meta.answer, progress)
        except asyncio.CancelledError:
            await here.jobs.cancel(ANONYMOUS.user, meta.answer)
            await here.running.perform(meta.answer)  # seals it, if it is ours to seal
            raise


async def _unfinished(here: Here, given: list[str], namespace: str) -> AnswerMeta | None:
    """What the same command was doing when it was killed."""
    for meta in await here.jobs.listed(ANONYMOUS.user):
        question = meta.question
        same = question.options.get("paths") == given and question.namespace == namespace
        if same and not meta.state.sealed and not meta.stop_requested:
            return meta
    return None


async def _submitted(here: Here, given: list[str], namespace: str) -> AnswerMeta:
    names = [Path(path).name for path in given]
    title = ", ".join(names[:_TITLED]) + (f" and {len(names) - _TITLED} more" if len(names) > _TITLED else "")
    try:
        meta, _ = await here.jobs.submit(
            Submission(ANONYMOUS.user, {"paths": given}, title, 0, namespace), here.jobs.new_id()
        )
    except QueueFull:
        raise CommandError("too many jobs wait already; try again later", code="overloaded") from None
    return meta


async def _run(here: Here, job: str, progress: Progress) -> Status:
    """Runs it, or watches whoever does."""
    told = 0
    performing = asyncio.create_task(here.running.perform(job))
    try:
        while True:
            meta = await here.answers.meta(job)
            if meta is None:
                raise CommandError("the job is gone from the log", code="not_found")
            for entry in await here.answers.read(job, told, _PAGE):
                told += 1
                _tell(entry, progress)
            if meta.state.sealed and told >= meta.head:
                return await here.jobs.status(meta)
            if performing.done():
                performing = asyncio.create_task(here.running.perform(job))
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(performing), _LOOK_S)
    finally:
        performing.cancel()
        await asyncio.gather(performing, return_exceptions=True)


def _tell(entry: bytes, progress: Progress) -> None:
    chunk = json.loads(entry)
    if chunk["type"] == "data-progress":
        for stage, counts in chunk["data"]["stages"].items():
            progress(stage, counts["done"], counts["total"])
    elif chunk["type"] == "data-notice":
        terminal.remark(chunk["data"]["message"])
