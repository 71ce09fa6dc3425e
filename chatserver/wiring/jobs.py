"""Jobs: their users' side, and what runs them."""

import os
import socket
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from chatserver.answers.log import AnswerLog
from chatserver.generation.generation import Pace
from chatserver.generation.generations import Generations
from chatserver.ingest.jobs import Jobs
from chatserver.ingest.performing import IngestPipeline
from chatserver.ingest.spool import Spool
from chatserver.settings import Settings
from chatserver.wiring.answers import open_answers
from chatserver.wiring.knowledge import Knowledge, open_knowledge

_MAX_OWNERS = 100
"""A long job outlives many restarts."""


def jobs_of(settings: Settings, answers: AnswerLog, knowledge: Knowledge, wake: Callable[[], None]) -> Jobs:
    """For their users; `wake` is called with each new one."""
    return Jobs(answers, knowledge.ledger, _spool(settings), queue=settings.ingest.queue, wake=wake)


@asynccontextmanager
async def open_worker(settings: Settings) -> AsyncIterator[Generations]:
    """Runs the jobs of the log, as long as the context lasts; those under way are handed over at its end. Raises
    `LogUnavailable`, `RetrievalError`."""
    async with AsyncExitStack() as stack:
        knowledge = await stack.enter_async_context(open_knowledge(settings))
        answers = await open_answers(settings)
        stack.push_async_callback(answers.aclose)
        running = await stack.enter_async_context(run_jobs(settings, answers, knowledge))
        yield running
        await running.drain(0)


@asynccontextmanager
async def run_jobs(settings: Settings, answers: AnswerLog, knowledge: Knowledge) -> AsyncIterator[Generations]:
    """Runs the jobs of this log, as many at once as the settings say."""
    owner = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    running = Generations(
        answers,
        IngestPipeline(knowledge.ingestion, knowledge.ledger, _spool(settings)),
        pace=Pace(lease_s=settings.generation.lease_s),
        owner=owner,
        max_running=settings.ingest.workers,
        max_owners=_MAX_OWNERS,
        history_turns=0,
        jobs=True,
    )
    async with running:
        yield running


def _spool(settings: Settings) -> Spool:
    return Spool(settings.storage.data_dir / "spool")
