"""`chatserver worker`: as many processes as wanted, beside the servers of a data directory or on other machines."""

import asyncio
from pathlib import Path

from chatserver.cli.configuration import read_settings
from chatserver.edge.logs import configure_logs
from chatserver.supervisor.worker import work


def worker(*, data_dir: Path | None, jobs: int | None) -> None:
    """Until SIGTERM or SIGINT."""
    settings = read_settings(data_dir)
    if jobs is not None:
        settings = settings.model_copy(update={"ingest": settings.ingest.model_copy(update={"workers": jobs})})
    configure_logs(questions=settings.logs.questions)
    asyncio.run(work(settings))
