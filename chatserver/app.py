"""The ASGI application: `uvicorn chatserver.app:app`, or `create_app(settings)` for one of your own.

Importing this module reads no configuration and opens nothing: both happen in the lifespan's start-up.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from chatserver.answers.log import LogUnavailable
from chatserver.edge import (
    ai_sdk,
    answers,
    completions,
    described,
    events,
    graph,
    ingest,
    jobs,
    knowledge,
    operations,
    page,
    removal,
    session,
)
from chatserver.edge.drain import drain_on_signals
from chatserver.edge.gate import Gate
from chatserver.edge.heap import freeze_heap
from chatserver.edge.identity import Identify, anonymous, by_token
from chatserver.edge.problems import Problem, on_bug, on_http_exception, on_log_unavailable, on_problem
from chatserver.edge.starting import ExplainedStart
from chatserver.edge.tracing import Traced
from chatserver.edge.websocket import AI_SDK, ChatSocket, SocketDoor
from chatserver.models.port import Model
from chatserver.settings import Settings, load_settings
from chatserver.supervisor.hosting import WorkerHost
from chatserver.wiring import System, open_system, open_verifier


def create_app(
    settings: Settings | None = None,
    *,
    model: Model | None = None,
    identify: Identify | None = None,
    on_started: Callable[[], None] = lambda: None,
    on_drain: Callable[[], None] = lambda: None,
) -> Starlette:
    """`settings` default to the environment, `model` to the one they name, `identify` to the tokens of their keys, and
    without keys to everybody on this machine; `on_started` is called at the end of start-up, `on_drain` when a drain
    begins. A process that does nothing else should `freeze_heap` when it has started. Start-up raises `SettingsError`
    with every fault, or `LogUnavailable`."""

    async def drain(system: System, host: WorkerHost) -> None:
        on_drain()
        async with asyncio.TaskGroup() as group:
            group.create_task(host.drain())
            group.create_task(system.drain())

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        chosen = settings or load_settings()
        async with open_system(chosen, model=model) as system, asyncio.TaskGroup() as group:
            app.state.system = system
            app.state.descriptions = {}
            app.state.gate = Gate(identify or _identify(chosen), chosen.access.origins, system.quotas)
            host = WorkerHost(chosen, system.has_work, system.work)
            hosting = group.create_task(host.run(), name="worker host")
            with drain_on_signals(group, partial(drain, system, host)):
                on_started()
                yield
            await host.drain()
            hosting.cancel()

    return Starlette(
        routes=[
            *session.ROUTES,
            *answers.ROUTES,
            *events.ROUTES,
            *ai_sdk.ROUTES,
            *completions.ROUTES,
            *knowledge.ROUTES,
            *removal.ROUTES,
            *graph.ROUTES,
            *ingest.ROUTES,
            *jobs.ROUTES,
            *operations.ROUTES,
            *described.ROUTES,
            *page.ROUTES,
        ],
        exception_handlers={
            Problem: on_problem,
            LogUnavailable: on_log_unavailable,
            HTTPException: on_http_exception,
            Exception: on_bug,
        },
        middleware=[
            Middleware(Traced),
            Middleware(SocketDoor, path="/ws", door=ChatSocket()),
            Middleware(SocketDoor, path="/ws/ai-sdk", door=ChatSocket(AI_SDK)),
            Middleware(ExplainedStart),
        ],
        lifespan=lifespan,
    )


def _identify(settings: Settings) -> Identify:
    verifier = open_verifier(settings)
    return anonymous if verifier is None else by_token(verifier)


app = create_app(on_started=freeze_heap)
