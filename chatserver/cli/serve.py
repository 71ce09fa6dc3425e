"""`chatserver serve`: supervised server processes, built from our configuration."""

import asyncio
import asyncio
import contextlib
import os
import socket
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn

from chatserver import __version__
from chatserver.cli.configuration import read_settings
from chatserver.cli.errors import CommandError
from chatserver.cli.listening import address_url, listen, refuse_open_host
from chatserver.server_config import load_server_config
from chatserver.settings import Settings
from chatserver.supervisor.process import ServerProcess
from chatserver.supervisor.supervisor import Supervisor, Timing
from chatserver.supervisor.watch import source_changes
from chatserver.supervisor.process import ServerProcess
from chatserver.supervisor.supervisor import Supervisor, Timing
from chatserver.supervisor.watch import source_changes

APP = "chatserver.app:create_app"
SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "cooling-unit"


def serve(
    *,
    host: str | None,
    port: int | None,
    data_dir: Path | None,
    config: Path | None,
    reload: bool,
    sample: bool,
) -> int:
    """Until it is told to end; the exit code."""
    settings = read_settings(data_dir)
    # The application reads its own settings, in this process or in a child of it.
    os.environ["CHATSERVER_DATA_DIR"] = str(settings.storage.data_dir.resolve())
    given = {"host": host, "port": port, "reload": reload or None}
    options = load_server_config(config, overrides={key: value for key, value in given.items() if value is not None})
    listener, url = _listener(options)
    with contextlib.closing(listener):
        if sample:
            _ingest_sample(settings)
        directories = [Path(directory) for directory in options.pop("reload_dirs", [])]
        reloading, workers = options.pop("reload", False), options.pop("workers", None) or 1
        if reloading or workers > 1:
            timing = Timing(drain_s=settings.generation.drain_s)
            return asyncio.run(_supervise(options, listener, url, workers, timing, directories))
        return _run(uvicorn.Config(APP, factory=True, **options), listener, url)


def _listener(options: Mapping[str, Any]) -> tuple[socket.socket, str]:
    """The socket and what to call it. uvicorn binds what is no TCP address."""
    if options.get("uds") or options.get("fd") is not None:
        listener = uvicorn.Config(APP, factory=True, **options).bind_socket()
        return listener, f"unix:{options['uds']}" if options.get("uds") else f"fd {options['fd']}"
    refuse_open_host(options["host"])
    listener = listen(
        options["host"],
        options["port"],
        backlog=options.get("backlog", 2048),
        dead_peer_s=(options["ws_ping_interval"] or 0) + (options["ws_ping_timeout"] or 0),
    )
    return listener, address_url(listener, tls=bool(options.get("ssl_certfile")))


def _run(config: uvicorn.Config, listener: socket.socket, url: str) -> int:
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn has ended in order, and raises it again for us
        AnnouncingServer(config, url).run(sockets=[listener])
    return 0


async def _supervise(
    options: Mapping[str, Any],
    listener: socket.socket,
    url: str,
    workers: int,
    timing: Timing,
    directories: Sequence[Path],
) -> int:
    supervisor = Supervisor(
        lambda: ServerProcess.start(listener, options),
        workers=workers,
        timing=timing,
        changes=source_changes(directories) if directories else None,
        on_ready=lambda: _announce(url),
    )
    return await supervisor.run()


def _announce(url: str) -> None:
    print(f"chatserver {__version__} is ready: {url}", flush=True)


def _ingest_sample(settings: Settings) -> None:
    from chatserver.cli.ingest import ingest_if_empty

    if not SAMPLE.is_dir():
        raise CommandError(f"this installation has no sample at {SAMPLE}", code="no_sample")
    ingest_if_empty(settings, SAMPLE)
