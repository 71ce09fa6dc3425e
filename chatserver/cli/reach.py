"""Which server a command talks to: the one named, the one that runs here, or one of its own.

Without a server the command runs one for itself on a free port of this machine, over the data directory. So there is
one way in which a question becomes an answer, and an answer asked from the terminal is as durable as any other.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from chatserver.access.identity import ANONYMOUS, Identity
from chatserver.cli.configuration import read_settings
from chatserver.cli.listening import address_url, listen
from chatserver.cli.logs import keep_logs_off_the_screen
from chatserver.client import Backoff, Client, ClientError
from chatserver.client.background import BackgroundLoop
from chatserver.edge.identity import Identify, is_loopback, token_of
from chatserver.server_config import load_server_config
from chatserver.settings import Settings, load_settings

PATIENCE_S = 60.0


@contextmanager
def reached(url: str | None, data_dir: Path | None) -> Iterator[tuple[BackgroundLoop, Client]]:
    """A connected client and the loop that it lives on. Raises `ClientError` when a named server doesn't answer."""
    with BackgroundLoop() as loop:
        stack = contextlib.AsyncExitStack()
        try:
            yield loop, loop.run(_connect(stack, url, data_dir))
        finally:
            loop.run(stack.aclose())


async def _connect(stack: contextlib.AsyncExitStack, url: str | None, data_dir: Path | None) -> Client:
    if url is not None:
        return await stack.enter_async_context(_client(url, configured_token()))
    if data_dir is None:
        with contextlib.suppress(ClientError):
            return await stack.enter_async_context(_client(_configured_url(), configured_token()))
    keep_logs_off_the_screen()
    token = secrets.token_urlsafe(32)  # nobody else on this machine has it
    own = await stack.enter_async_context(own_server(read_settings(data_dir), token=token))
    return await stack.enter_async_context(_client(own, token))


def _client(url: str, token: str | None) -> Client:
    return Client(url, token=token, backoff=Backoff(give_up_after_s=PATIENCE_S))


def configured_token() -> str | None:
    token = load_settings().access.token
    return token.get_secret_value() if token is not None else None


def _configured_url() -> str:
    """Where `chatserver serve` listens when it is told nothing else."""
    options = load_server_config()
    host = options["host"] if is_loopback(options["host"]) else "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{options['port']}"


@asynccontextmanager
async def own_server(settings: Settings, *, token: str | None = None) -> AsyncIterator[str]:
    """A server in this process, as long as the context lasts; gives its address. With a `token` it serves whoever has
    that, and nobody else."""
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()
    # What the application opens has to be closed by the task that opened it.
    serving = asyncio.create_task(_serve(settings, token, ready, done))
    try:
        first: list[asyncio.Future[Any]] = [serving, ready]
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            await serving  # raises why
        yield ready.result()
    finally:
        done.set()
        await asyncio.wait([serving])


async def _serve(settings: Settings, token: str | None, ready: "asyncio.Future[str]", done: asyncio.Event) -> None:
    import uvicorn

    from chatserver.app import create_app

    options = load_server_config() | {"lifespan": "off", "log_level": "critical", "log_config": None}
    for key in ("host", "port", "uds", "fd", "workers", "reload", "reload_dirs", "ssl_certfile", "ssl_keyfile"):
        options.pop(key, None)
    app = create_app(settings, identify=_by_secret(token) if token is not None else None)
    async with app.router.lifespan_context(app):
        listener = listen("127.0.0.1", 0, backlog=16, dead_peer_s=40)
        server = uvicorn.Server(uvicorn.Config(app, **options))
        async with asyncio.TaskGroup() as group:
            group.create_task(server.serve(sockets=[listener]))
            ready.set_result(address_url(listener))  # it accepts already
            await done.wait()
            server.should_exit = True


def _by_secret(secret: str) -> Identify:
    async def identify(scope: Mapping[str, Any]) -> Identity | None:
        token = token_of(scope) or ""
        return ANONYMOUS if secrets.compare_digest(token.encode(), secret.encode()) else None

    return identify
