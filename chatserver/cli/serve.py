"""`chatserver serve`: supervised server processes, built from our configuration."""

import asyncio
import contextlib
import os
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from chatserver import __version__
from chatserver.cli.configuration import read_settings
from chatserver.cli.errors import CommandError
from chatserver.cli.listening import address_url, listen, listen_elsewhere, refuse_open
from chatserver.edge.logs import configure_logs
from chatserver.server_config import load_server_config
from chatserver.settings import Settings
from chatserver.supervisor.process import ServerProcess
from chatserver.supervisor.supervisor import Supervisor, Timing
from chatserver.supervisor.watch import source_changes

SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "cooling-unit"

METRICS_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""What prometheus-client looks for when it is imported."""

# What the parent does, and its processes need not know.
_OURS = ("host", "port", "uds", "fd", "reload", "workers")


def serve(
    *,
    host: str | None,
    port: int | None,
    data_dir: Path | None,
    config: Path | None,
    workers: int | None,
    reload: bool,
    sample: bool,
) -> int:
    """Until it is told to end; the exit code."""
    settings = read_settings(data_dir)
    # Each server process reads its own settings.
    os.environ["CHATSERVER_DATA_DIR"] = str(settings.storage.data_dir.resolve())
    given = {"host": host, "port": port, "workers": workers, "reload": reload or None}
    options = load_server_config(config, overrides={key: value for key, value in given.items() if value is not None})
    listener, url = _listener(options)
    with contextlib.closing(listener), _unlinked(options.get("uds")):
        if not settings.access.has_logins:
            refuse_open(listener)
        if sample:
            _ingest_sample(settings)
        asyncio.run(_check_knowledge(settings))
        watched = [Path(directory) for directory in options.pop("reload_dirs", [])]
        configure_logs(questions=settings.logs.questions)
        with _counted_together():
            return asyncio.run(_supervise(settings, options, listener, url, watched))


def _listener(options: Mapping[str, Any]) -> tuple[socket.socket, str]:
    """The socket and what to call it."""
    if options.get("uds") or options.get("fd") is not None:
        return listen_elsewhere(options)
    listener = listen(
        options["host"],
        options["port"],
        backlog=options.get("backlog", 2048),
        dead_peer_s=(options["ws_ping_interval"] or 0) + (options["ws_ping_timeout"] or 0),
    )
    return listener, address_url(listener, tls=bool(options.get("ssl_certfile")))


@contextlib.contextmanager
def _unlinked(unix_socket: str | None) -> Iterator[None]:
    """Leaves no file behind that the next start would stumble over."""
    try:
        yield
    finally:
        if unix_socket:
            Path(unix_socket).unlink(missing_ok=True)


@contextlib.contextmanager
def _counted_together() -> Iterator[None]:
    """A directory that the server processes, and the workers that they start, write their metrics into, so that any of
    them can tell those of all. Not for this process, which serves nobody: it is made last."""
    if os.environ.get(METRICS_DIRECTORY):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="chatserver-metrics-", ignore_cleanup_errors=True) as directory:
        os.environ[METRICS_DIRECTORY] = directory
        try:
            yield
        finally:
            del os.environ[METRICS_DIRECTORY]


async def _supervise(
    settings: Settings, options: Mapping[str, Any], listener: socket.socket, url: str, watched: Sequence[Path]
) -> int:
    child_options = {key: value for key, value in options.items() if key not in _OURS}
    supervisor = Supervisor(
        partial(ServerProcess.start, listener, child_options),
        workers=options.get("workers") or 1,
        timing=Timing(drain_s=settings.generation.drain_s),
        changes=source_changes(watched) if watched else None,
        on_ready=partial(print, f"chatserver {__version__} is ready: {url}", flush=True),
        on_stop=listener.close,
    )
    return await supervisor.run()


async def _check_knowledge(settings: Settings) -> None:
    """What no server process could start with is told here, once."""
    from chatserver.wiring import open_answers, open_knowledge

    async with open_knowledge(settings):
        pass
    if settings.redis.url is None:  # that of many nodes may be away: a server process waits for it
        await (await open_answers(settings)).aclose()


def _ingest_sample(settings: Settings) -> None:
    from chatserver.cli.ingest import ingest_if_empty

    if not SAMPLE.is_dir():
        raise CommandError(f"this installation has no sample at {SAMPLE}", code="no_sample")
    ingest_if_empty(settings, SAMPLE)
