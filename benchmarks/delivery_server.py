"""The server process of `benchmarks.delivery`: our app with the scripted model, and beside it the baseline.

`/bare` is what the figures are held against: a Starlette WebSocket endpoint that does nothing but send, frames of the
same size as ours, from the same process and through the same uvicorn.
"""

import os
import sys
from pathlib import Path

import uvicorn
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from chatserver.app import create_app
from chatserver.settings import Model, Settings, Storage


async def bare(socket: WebSocket) -> None:
    """`{"count": n, "frame": text}` in, n frames out, until the peer leaves."""
    await socket.accept()
    order = await socket.receive_json()
    for _ in range(order["count"]):
        await socket.send_text(order["frame"])
    await socket.receive()


def main(data_dir: str, descriptor: int) -> None:
    app = create_app(Settings(storage=Storage(data_dir=Path(data_dir)), model=Model(name="scripted")))
    app.router.routes.insert(0, WebSocketRoute("/bare", bare))
    config = uvicorn.Config(app, fd=descriptor, log_level="critical", ws_per_message_deflate=False)
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main(sys.argv[1], int(os.environ["BENCH_FD"]))
