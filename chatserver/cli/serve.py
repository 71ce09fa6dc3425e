"""`chatserver serve`: uvicorn's server, built from our configuration."""

import contextlib
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.supervisors import ChangeReload, Multiprocess

from chatserver import __version__
from chatserver.cli.configuration import read_settings
from chatserver.cli.errors import CommandError
from chatserver.cli.listening import address_url, listen, refuse_open_host
from chatserver.server_config import load_server_config
from chatserver.settings import Settings

APP = "chatserver.app:create_app"
SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "cooling-unit"


class AnnouncingServer(uvicorn.Server):
    """Says where it serves once it does."""

    def __init__(self, config: uvicorn.Config, url: str) -> None:
        super().__init__(config)
        self._url = url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(f"chatserver {__version__} is ready: {self._url}", flush=True)


def serve(
    *,
    host: str | None,
    port: int | None,
    data_dir: Path | None,
    config: Path | None,
    reload: bool,
    sample: bool,
) -> None:
    settings = read_settings(data_dir)
    if data_dir is not None:
        # The application reads its own settings, in this process or in a child of it.
        os.environ["CHATSERVER_DATA_DIR"] = str(data_dir.resolve())
    given = {"host": host, "port": port, "reload": reload or None}
    options = load_server_config(config, overrides={key: value for key, value in given.items() if value is not None})
    listener, url = _listener(options)
    with contextlib.closing(listener):
        if sample:
            _ingest_sample(settings)
        _run(uvicorn.Config(APP, factory=True, **options), listener, url)


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
        dead_peer_s=options["ws_ping_interval"] + options["ws_ping_timeout"],
    )
    return listener, address_url(listener, tls=bool(options.get("ssl_certfile")))


def _run(config: uvicorn.Config, listener: socket.socket, url: str) -> None:
    server = AnnouncingServer(config, url)
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn has ended already, and raises it for us
        if config.should_reload:
            ChangeReload(config, target=server.run, sockets=[listener]).run()
        elif config.workers > 1:
            print(f"chatserver {__version__} starts {config.workers} workers: {url}", flush=True)
            Multiprocess(config, sockets=[listener]).run()
        else:
            server.run(sockets=[listener])


def _ingest_sample(settings: Settings) -> None:
    from chatserver.cli.ingest import ingest_if_empty

    if not SAMPLE.is_dir():
        raise CommandError(f"this installation has no sample at {SAMPLE}", code="no_sample")
    ingest_if_empty(settings, SAMPLE)
