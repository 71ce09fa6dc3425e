"""The delivery path as it is served: a real log, generations, connection manager and uvicorn, in the test's own
event loop; only the pipeline is scripted. And a tab: a client that keeps everything it is told."""

import asyncio
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import uvicorn
import websockets
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import WebSocketRoute
from websockets.asyncio.client import ClientConnection

from chatserver.access.identity import Identity
from chatserver.answers.log import AnswerLog, LogUnavailable
from chatserver.answers.meta import AnswerMeta
from chatserver.delivery.manager import ConnectionManager, DeliveryPolicy
from chatserver.edge import ai_sdk, answers, completions, events, operations
from chatserver.edge.gate import Gate
from chatserver.edge.problems import Problem, on_bug, on_http_exception, on_log_unavailable, on_problem
from chatserver.edge.websocket import AI_SDK, ChatSocket
from chatserver.generation.generation import Pace
from chatserver.generation.generations import Generations
from chatserver.metrics.metrics import Metrics
from chatserver.pipeline.port import Question
from chatserver.protocol import chunks
from chatserver.protocol.chunks import Chunk, Citation
from chatserver.protocol.session import Limits
from tests.contracts.answer_logs import IMPLEMENTATIONS

PACE = Pace(lease_s=5.0, linger_s=0.002)
LIMITS = Limits(max_message_bytes=256 * 1024, max_question_characters=16_000)
POLICY = DeliveryPolicy(LIMITS, server="test", stall_s=5.0)


def script(answer: str, deltas: Iterable[str]) -> list[Chunk]:
    """An answer of two steps: what was found, then a text with a citation."""
    return [
        chunks.start(answer),
        chunks.start_step(),
        chunks.data("decision", {"kind": "retrieve", "language": "en"}),
        chunks.source_document("p1", "Handbook «cooling»"),
        chunks.finish_step(),
        chunks.start_step(),
        chunks.text_start("t1"),
        *(chunks.text_delta("t1", delta) for delta in deltas),
        chunks.text_end("t1", [chunks.citation("p1", "P1", 0, 3, "wrd")]),
        chunks.finish_step(),
        chunks.finish(),
    ]


class ScriptedPipeline:
    """The question says what is told: `"12"` twelve words, `"12 x 1000"` twelve of 1000 characters; `"held 12"` one
    entry for each `release`."""

    def __init__(self) -> None:
        self.told = 0
        self.cancelled = 0
        self._held = asyncio.Semaphore(0)

    def release(self, entries: int = 1) -> None:
        for _ in range(entries):
            self._held.release()

    def take_back(self) -> None:
        """What was released and not used is held again."""
        self._held = asyncio.Semaphore(0)

    async def run(self, question: Question, told: Sequence[Chunk] = ()) -> AsyncGenerator[Chunk, None]:
        held = question.text.startswith("held ")
        count, _, size = question.text.removeprefix("held ").partition(" x ")
        try:
            for chunk in script(question.answer, (f"w{n} ".ljust(_number(size), ".") for n in range(_number(count)))):
                if held:
                    await self._held.acquire()
                self.told += 1
                yield chunk
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def citations(self, question: Question, told: Sequence[Chunk], text: str) -> Sequence[Citation]:
        return ()


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


@dataclass
class System:
    answers: AnswerLog
    generations: Generations
    connections: ConnectionManager
    pipeline: ScriptedPipeline
    metrics: Metrics = field(default_factory=Metrics)
    draining: bool = False
    server: uvicorn.Server = field(init=False)
    address: str = field(init=False)

    @property
    def url(self) -> str:
        return f"ws://{self.address}/ws"

    async def sealed(self, answer: str) -> AnswerMeta:
        """The answer, once it is sealed."""
        async with asyncio.timeout(60):
            while (meta := await self.answers.meta(answer)) is None or not meta.state.sealed:  # noqa: ASYNC110
                await asyncio.sleep(0.002)
        return meta


async def by_header(scope: Mapping[str, Any]) -> Identity | None:
    """The test says who asks, and until when; nobody when it says nothing."""
    headers: dict[bytes, bytes] = dict(scope["headers"])
    user, until = headers.get(b"x-user"), headers.get(b"x-until")
    return Identity(user.decode(), operator=True, expires_at=float(until) if until else None) if user else None


@asynccontextmanager
async def served(
    directory: Path,
    *,
    log: str = "sqlite",
    pace: Pace = PACE,
    policy: DeliveryPolicy = POLICY,
    wrap: Callable[[AnswerLog], AnswerLog] = lambda log: log,
    **manager: Any,
) -> AsyncIterator[System]:
    """A server on an ephemeral port; at the end it shuts down as it would after a signal, and the system is closed in
    the order of its parts."""
    async with AsyncExitStack() as stack:
        answer_log = wrap(await stack.enter_async_context(IMPLEMENTATIONS[log](directory, time.time)))
        pipeline = ScriptedPipeline()
        generations = await stack.enter_async_context(Generations(answer_log, pipeline, pace=pace, owner="test"))
        connections = await stack.enter_async_context(ConnectionManager(answer_log, generations, policy, **manager))
        system = System(answer_log, generations, connections, pipeline)
        await stack.enter_async_context(_listening(_app(system), system))
        yield system


def _app(system: System) -> Starlette:
    app = Starlette(
        routes=[
            WebSocketRoute("/ws", ChatSocket()),
            WebSocketRoute("/ws/ai-sdk", ChatSocket(AI_SDK)),
            *answers.ROUTES,
            *events.ROUTES,
            *ai_sdk.ROUTES,
            *completions.ROUTES,
            *operations.ROUTES,
        ],
        exception_handlers={
            Problem: on_problem,
            LogUnavailable: on_log_unavailable,
            HTTPException: on_http_exception,
            Exception: on_bug,
        },
    )
    app.state.system = system
    app.state.gate = Gate(by_header)
    return app


@asynccontextmanager
async def _listening(app: Starlette, system: System) -> AsyncIterator[None]:
    listener = socket.socket(proto=socket.IPPROTO_TCP)  # else asyncio leaves Nagle on: 40 ms for the second small send
    listener.bind(("127.0.0.1", 0))
    system.address = f"127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        app,
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_max_size=4 * 1024 * 1024,
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=5,
    )
    system.server = uvicorn.Server(config)
    serving = asyncio.create_task(system.server._serve([listener]))
    try:
        async with asyncio.timeout(60):
            while not system.server.started:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.001)
        yield
    finally:
        system.server.should_exit = True
        await serving
        listener.close()


@dataclass
class Tab:
    """One connection and everything it was told, in order."""

    socket: ClientConnection
    events: list[dict[str, Any]] = field(default_factory=list)

    async def send(self, type: str, **fields: Any) -> None:
        await self.socket.send(orjson.dumps({"type": type, **fields}).decode())

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(60):
            event: dict[str, Any] = orjson.loads(await self.socket.recv())
        self.events.append(event)
        return event

    async def until(self, type: str, **fields: Any) -> dict[str, Any]:
        """The next event of that type with these fields."""
        while True:
            event = await self.next()
            if event["type"] == type and fields.items() <= event.items():
                return event

    async def chunks(self, count: int) -> list[dict[str, Any]]:
        """So many entries more."""
        return [await self.until("chunk") for _ in range(count)]

    async def ask(self, text: str, *, id: str = "q1", chat: str = "c1") -> dict[str, Any]:
        await self.send("ask", id=id, chat=chat, text=text)
        return await self.until("accepted", id=id)

    async def resume(self, *cursors: dict[str, Any], chat: str = "c1") -> dict[str, Any]:
        await self.send("resume", chat=chat, cursors=list(cursors))
        return await self.until("resumed", chat=chat)

    async def settled(self) -> None:
        """Everything that was due before now has been told."""
        id = f"settled-{len(self.events)}"
        await self.send("ping", id=id)
        await self.until("pong", id=id)

    async def closed(self) -> int:
        """The close code, after whatever comes before the close."""
        try:
            while True:
                await self.next()
        except websockets.ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd is not None else 1006

    def entries(self, answer: str) -> list[tuple[int, Chunk]]:
        """Seq and chunk of every entry of the answer, as told."""
        return [(e["seq"], e["chunk"]) for e in self.events if e["type"] == "chunk" and e["answer"] == answer]

    def cut(self) -> None:
        """The network goes away, without a close."""
        self.socket.transport.abort()


@asynccontextmanager
async def tab(system: System, *, user: str | None = "ada", **options: Any) -> AsyncIterator[Tab]:
    headers = {"X-User": user} if user else {}
    headers |= options.pop("headers", {})
    socket = await websockets.connect(
        system.url,
        additional_headers=headers,
        subprotocols=options.pop("subprotocols", ["chat.v1"]),
        compression=None,
        max_size=None,
        ping_interval=None,
        open_timeout=60,  # the machine may be busy
        close_timeout=0.1,
        **options,
    )
    opened = Tab(socket)
    try:
        assert (await opened.next())["type"] == "welcome"
        yield opened
    finally:
        await socket.close()


def cursor(answer: Mapping[str, Any], seq: int) -> dict[str, Any]:
    return {"answer": answer["answer"], "epoch": answer["epoch"], "seq": seq}
