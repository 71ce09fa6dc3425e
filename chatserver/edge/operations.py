"""HTTP doors for operators: is it alive, is it ready, what is in flight, what the numbers are."""

import asyncio
import time
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chatserver import __version__
from chatserver.answers.log import LogUnavailable
from chatserver.edge.about import JSON, About, gives
from chatserver.edge.description import documents
from chatserver.edge.doors import Door
from chatserver.edge.gate import Access, Gate
from chatserver.edge.problems import Problem


async def healthz(request: Request) -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok", "version": __version__})


async def readyz(request: Request) -> Response:
    """New questions are taken here: the log answers and no drain has begun. On what it rests is for operators."""
    system = request.app.state.system
    began = time.perf_counter()
    log_is_up = await _log_answers(request)
    took_ms = round((time.perf_counter() - began) * 1000, 1)
    status = "draining" if system.draining else "ready" if log_is_up else "not ready"
    told: dict[str, Any] = {"status": status}
    if await _asks_an_operator(request):
        told["dependencies"] = system.dependencies(log_is_up, took_ms)
    return JSONResponse(told, status_code=200 if status == "ready" else 503)


async def inflight(request: Request) -> Response:
    """The generations that run in this process, and how many clients are connected."""
    system = request.app.state.system
    running = [asdict(entry) for entry in system.generations.inflight()]
    return JSONResponse({"connections": len(system.connections), "generations": running})


async def metrics(request: Request) -> Response:
    """What Prometheus reads, of all processes that serve this socket."""
    system = request.app.state.system
    system.sampler.sample()
    text = await asyncio.to_thread(system.metrics.text)
    return Response(text, headers={"content-type": "text/plain; version=0.0.4; charset=utf-8"})


async def _log_answers(request: Request) -> bool:
    try:
        await request.app.state.system.answers.claimable(1)
    except LogUnavailable:
        return False
    return True


async def _asks_an_operator(request: Request) -> bool:
    gate: Gate = request.app.state.gate
    try:
        return (await gate.known(request.scope)).operator
    except Problem:
        return False


ROUTES = [
    Door("/healthz", healthz, access=Access.PUBLIC, about=gives(documents.Health)),
    Door(
        "/readyz",
        readyz,
        access=Access.PUBLIC,
        about=About(gives={200: {JSON: documents.Readiness}, 503: {JSON: documents.Readiness}}),
    ),
    Door("/v1/inflight", inflight, access=Access.OPERATOR, about=gives(documents.InFlightDocument)),
    Door("/metrics", metrics, access=Access.OPERATOR, about=About(gives={200: {"text/plain": None}})),
]
