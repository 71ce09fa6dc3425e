"""With Redis: does anybody do this server's jobs, and does anybody search another corpus than it?"""

from chatserver.cli.errors import CommandError
from chatserver.ingest.attendance import lack_of
from chatserver.settings import Settings
from chatserver.wiring import reach_workers


async def check_workers(settings: Settings) -> str:
    making, there, apart = await reach_workers(settings)
    others = (
        f"; servers with a data directory of their own ({', '.join(apart)}) are on this Redis too: each searches what "
        "was ingested into its own alone (docs/redis.md)"
        if apart
        else ""
    )
    workers = [party for party in there if party.takes]
    lack = lack_of(making.name, there)
    if lack is not None and lack.others:
        raise CommandError(
            f"of {len(workers)} on this Redis none takes jobs of these settings ({making.words}; there: "
            f"{'; '.join(lack.others)}): they wait. Set CHATSERVER_EMBEDDER, CHATSERVER_INGEST_METADATA and the model "
            f"behind it alike{others}",
            code=lack.code,
        )
    if lack is not None:
        return f"none runs on this Redis now: jobs wait for a `chatserver worker`{others}"
    fit = sum(worker.makes == making.name for worker in workers)
    return f"{fit} of {len(workers)} on this Redis take jobs of these settings ({making.words}){others}"
