"""Workers on other machines: what they do jobs with, and who does their errands at a data directory."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from chatserver.answers.log import AnswerLog
from chatserver.ingest.inputs import OwnInputs
from chatserver.ingest.performing import IngestPipeline
from chatserver.ingest.spool import Spool
from chatserver.pipeline.port import Pipeline
from chatserver.settings import Settings
from chatserver.wiring.home import check_stores, home_of
from chatserver.wiring.knowledge import Knowledge
from chatserver.wiring.tended import tended

if TYPE_CHECKING:
    from chatserver.ingest.elsewhere.redis_errands import RedisErrands


def spool_of(settings: Settings) -> Spool:
    return Spool(settings.storage.data_dir / "spool")


def pipeline_of(
    settings: Settings, knowledge: Knowledge, errands: "RedisErrands | None", *, shares: bool = False
) -> Pipeline:
    """Of the jobs of this data directory, and with errands those of any. One that `shares` the directory with servers
    stores nothing where they would not find it."""
    check = partial(check_stores, settings) if shares else lambda: None
    own = IngestPipeline(knowledge.ingestion, knowledge.ledger, OwnInputs(spool_of(settings), check))
    if errands is None:
        return own
    from chatserver.ingest.elsewhere.pipeline import HomePipeline

    return HomePipeline(home_of(settings), own, partial(_far, settings.storage.data_dir, knowledge, errands))


def _far(data_dir: Path, knowledge: Knowledge, errands: "RedisErrands", home: str, space: str) -> IngestPipeline:
    from chatserver.ingest.elsewhere.errands import SETTLE
    from chatserver.ingest.elsewhere.inputs import FarInputs
    from chatserver.ingest.elsewhere.stores import Far, FarDocuments, FarGraph, FarLedger, FarLibrary, FarRecords

    far = Far(errands, home)
    ledger = FarLedger(far)
    ingestion = knowledge.ingestion.into(
        FarDocuments(far),
        FarLibrary(far),
        FarGraph(far),
        FarRecords(far),
        paid=ledger,
        hashed_space=space,
        settled=partial(far.ask, SETTLE),
    )
    return IngestPipeline(ingestion, ledger, FarInputs(far, data_dir / "fetched"))


@asynccontextmanager
async def open_errands(settings: Settings) -> "AsyncIterator[RedisErrands | None]":
    """None without Redis."""
    if (url := settings.redis.url) is None:
        yield None
        return
    from chatserver.ingest.elsewhere.redis_errands import RedisErrands

    errands = await RedisErrands.open(url.get_secret_value())
    try:
        yield errands
    finally:
        await errands.aclose()


@asynccontextmanager
async def keeping(
    settings: Settings, knowledge: Knowledge, errands: "RedisErrands", at_work: Callable[[], None]
) -> AsyncIterator[None]:
    """Does this directory's errands as long as the context lasts."""
    from chatserver.ingest.elsewhere.keeper import Keeper

    check = partial(check_stores, settings)
    keeper = Keeper(knowledge.ingestion, knowledge.ledger, spool_of(settings), check=check)
    async with tended(errands.keep(home_of(settings), keeper.do, at_work), "errands"):
        yield


@asynccontextmanager
async def looking(settings: Settings, answers: AnswerLog) -> AsyncIterator[Callable[[], Awaitable[bool]]]:
    """Whether there is something for a worker beside a server: without Redis a job, with it an errand."""

    async def has_job() -> bool:
        return bool(await answers.claimable(1, jobs=True))

    async with open_errands(settings) as errands:
        yield has_job if errands is None else partial(errands.waiting, home_of(settings))
