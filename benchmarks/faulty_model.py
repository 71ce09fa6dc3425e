"""A model server for benchmarks: speaks chat completions on a loopback port, says the same to everybody after a given
time, and fails in a given share of the calls, in turn in each way that a real one does. No model is behind it."""

import asyncio
import itertools
import json
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

FAULTS = ("503", "429", "500", "no first token", "stall", "malformed chunk", "cut", "error event")
_WORDS = ("The ", "pump ", "P-101 ", "circulates ", "glycol ", "[1].")


@dataclass
class FaultyModel:
    """`answer_s`: from the question to the last word. `fault_share` of the calls fail, drawn by `rng`."""

    answer_s: float = 0.0
    fault_share: float = 0.0
    rng: random.Random = field(default_factory=lambda: random.Random(7))
    url: str = ""
    calls: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    _turn: "itertools.cycle[str]" = field(default_factory=lambda: itertools.cycle(FAULTS))

    async def complete(self, request: Request) -> Response:
        await request.body()
        self.calls += 1
        fault = next(self._turn) if self.rng.random() < self.fault_share else ""
        if fault:
            self.faults[fault] = self.faults.get(fault, 0) + 1
        match fault:
            case "503" | "500":
                return JSONResponse({"error": {"message": "overloaded"}}, int(fault))
            case "429":
                return JSONResponse({"error": {"message": "slow down"}}, 429, headers={"Retry-After": "0.1"})
            case "no first token":
                await asyncio.Event().wait()
        return StreamingResponse(self._body(fault), media_type="text/event-stream")

    async def _body(self, fault: str) -> AsyncIterator[str]:
        for number, word in enumerate(_WORDS):
            await asyncio.sleep(self.answer_s / len(_WORDS))
            yield _event({"content": word})
            if fault and number == 2:
                match fault:
                    case "stall":
                        await asyncio.Event().wait()
                    case "malformed chunk":
                        yield "data: {not json\n\n"
                    case "error event":
                        yield 'data: {"error": {"message": "overloaded"}}\n\n'
                return  # without an end: the connection is cut
        yield _event({}, "stop")
        yield "data: [DONE]\n\n"


def _event(delta: dict[str, str], finish: str | None = None) -> str:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    chunk = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "stub", "choices": choices}
    return f"data: {json.dumps(chunk)}\n\n"


@asynccontextmanager
async def serving(model: FaultyModel) -> AsyncIterator[FaultyModel]:
    app = Starlette(routes=[Route("/v1/chat/completions", model.complete, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1_000)
        model.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        task = asyncio.create_task(server._serve(sockets=[listener]))  # `serve` would take the signals
        try:
            yield model
        finally:
            server.should_exit = True
            await task
