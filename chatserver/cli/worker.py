"""`chatserver worker`: as many processes as wanted, beside the servers of a data directory or on other machines."""

import asyncio
from pathlib import Path

from chatserver.cli.configuration import read_settings
from chatserver.cli.errors import CommandError
from chatserver.edge.logs import configure_logs
from chatserver.supervisor.worker import work


def worker(*, data_dir: Path | None, jobs: int | None, metrics: str | None) -> None:
    """Until SIGTERM or SIGINT. Raises `CommandError`."""
    metrics_at = _address(metrics) if metrics else None
    settings = read_settings(data_dir)
    if jobs is not None:
        settings = settings.model_copy(update={"ingest": settings.ingest.model_copy(update={"workers": jobs})})
    configure_logs(questions=settings.logs.questions)
    asyncio.run(work(settings, metrics_at=metrics_at))


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit():
        raise CommandError(f"--metrics {text}: give HOST:PORT, such as 127.0.0.1:9101", code="invalid_address")
    return host.strip("[]"), int(port)
