"""A data directory's stores as a worker on another machine has them: a real Redis, and a keeper beside the stores."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chatserver.ingest.elsewhere.keeper import Keeper
from chatserver.ingest.elsewhere.redis_errands import RedisErrands
from chatserver.ingest.elsewhere.stores import Far
from chatserver.ingest.ingestion import Ingestion
from chatserver.ingest.ledger import Ledger
from chatserver.ingest.spool import Spool


@asynccontextmanager
async def far_directory(url: str, ingestion: Ingestion, ledger: Ledger, spool: Spool) -> AsyncIterator[Far]:
    keeping, asking = await RedisErrands.open(url), await RedisErrands.open(url)
    task = asyncio.create_task(keeping.keep("home", Keeper(ingestion, ledger, spool).do))
    try:
        yield Far(asking, "home")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await keeping.aclose()
        await asking.aclose()
