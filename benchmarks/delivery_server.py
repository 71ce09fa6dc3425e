"""The server process of `benchmarks.delivery`: our app with the scripted model, and beside it the baseline.

`/bare` is what the figures are held against: a Starlette WebSocket endpoint that does nothing but send, frames of the
same size as ours, from the same process and through the same uvicorn.

`BENCH_REDIS_URL` keeps the answers there. `BENCH_LINGER_S` 0 appends each token as it is said, so that its stamp is the
time of the append.
"""

import os
import socket
import sys
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import patch

import uvicorn
from pydantic import SecretStr
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from chatserver.app import create_app
from chatserver.edge.heap import freeze_heap
from chatserver.edge.logs import configure_logs
from chatserver.generation.generation import Pace
from chatserver.models.port import ModelPart, ModelRequest, TextPart
from chatserver.models.scripted import ScriptedModel
from chatserver.server_config import load_server_config
from chatserver.settings import Redis, Settings, Storage

_STAMPED = "/stamped"


class BenchModel(ScriptedModel):
    """A `/stamped` question is a `/script` whose tokens are the monotonic clock, nanoseconds, as they are said."""

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelPart, None]:
        stamped = request.question.startswith(_STAMPED)
        if stamped:
            request = replace(request, question="/script" + request.question.removeprefix(_STAMPED))
        async for part in super().stream(request):
            yield TextPart(f"{time.monotonic_ns()} ") if stamped and isinstance(part, TextPart) else part


async def bare(client: WebSocket) -> None:
    """`{"count": n, "frame": text}` in, n frames out, until the peer leaves."""
    await client.accept()
    order = await client.receive_json()
    for _ in range(order["count"]):
        await client.send_text(order["frame"])
    await client.receive()


def main(data_dir: str, descriptor: int) -> None:
    configure_logs()
    url = os.environ.get("BENCH_REDIS_URL")
    settings = Settings(storage=Storage(data_dir=Path(data_dir)), redis=Redis(url=SecretStr(url) if url else None))
    app = create_app(settings, model=BenchModel(), on_started=freeze_heap)
    app.router.routes.insert(0, WebSocketRoute("/bare", bare))
    config = uvicorn.Config(app, **load_server_config(overrides={"log_level": "critical"}))
    linger_s = float(os.environ.get("BENCH_LINGER_S", Pace().linger_s))
    with patch("chatserver.wiring.system.Pace", partial(Pace, linger_s=linger_s)):
        # As a socket that knows its protocol: only then does asyncio switch Nagle's algorithm off.
        uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    main(sys.argv[1], int(os.environ["BENCH_FD"]))
