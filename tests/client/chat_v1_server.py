"""A small real WebSocket server that speaks chat.v1 over logs in memory, for tests of the client.

It is not chatserver and shares no code with it: a test writes the log and says for each connection where it is cut,
what it skips or repeats, and what it doesn't say.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

Chunk = dict[str, Any]


def chunks(tokens: int) -> list[Chunk]:
    """An answer of `tokens` words."""
    return [
        {"type": "start", "messageId": "m"},
        {"type": "start-step"},
        {"type": "text-start", "id": "t"},
        *({"type": "text-delta", "id": "t", "delta": f"w{n} "} for n in range(tokens)),
        {"type": "text-end", "id": "t"},
        {"type": "finish-step"},
        {"type": "finish", "finishReason": "stop"},
    ]


@dataclass
class Log:
    chat: str
    chunks: list[Chunk]
    epoch: str = "e1"
    grown: asyncio.Event = field(default_factory=asyncio.Event)
    acknowledged: bool = False

    @property
    def sealed(self) -> bool:
        return bool(self.chunks) and self.chunks[-1]["type"] in {"finish", "abort", "error"}

    def append(self, *more: Chunk) -> None:
        self.chunks += more
        self.grown.set()


@dataclass
class Plan:
    """What goes wrong on one connection."""

    cut_after: int | None = None
    """Chunk events until the TCP connection is cut without a close frame (0: right after the welcome)."""
    close_after: tuple[int, int] | None = None
    """(chunk events, close code)."""
    skip: frozenset[int] = frozenset()
    """Seqs that are left out the first time."""
    twice: bool = False
    """Each chunk event is sent two times."""
    cut_instead_of_accepted: bool = False
    deaf: bool = False
    """Answers nothing after the welcome, not even pings."""
    first_frame: str | None = None
    """Sent instead of the welcome."""
    status: HTTPStatus | None = None
    """Answers the request so, with the text `no`: refuses the handshake."""
    close_instead_of_welcome: int | None = None
    before: list[Chunk] = field(default_factory=list)
    """Events sent right after the welcome."""


class ChatV1Server:
    def __init__(self) -> None:
        self.logs: dict[str, Log] = {}
        self.script: dict[str, list[Chunk]] = {}
        self.refusals: list[dict[str, Any]] = []
        self.plans: list[Plan] = []
        self.received: list[dict[str, Any]] = []
        self.connections = 0
        self.heartbeat_s = 5.0
        self.url = ""
        self._asked: dict[str, str] = {}

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [command for command in self.received if command["type"] == kind]

    @asynccontextmanager
    async def running(self) -> AsyncIterator["ChatV1Server"]:
        async with serve(
            self._converse,
            "127.0.0.1",
            0,
            subprotocols=[Subprotocol("chat.v1")],
            process_request=self._handshake,
            compression=None,
            ping_interval=None,
            close_timeout=0.1,
        ) as server:
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield self

    def _handshake(self, connection: ServerConnection, request: Request) -> Response | None:
        if self.plans and self.plans[0].status is not None:
            return connection.respond(self.plans.pop(0).status or HTTPStatus.OK, "no")
        return None

    async def _converse(self, socket: ServerConnection) -> None:
        self.connections += 1
        plan = self.plans.pop(0) if self.plans else Plan()
        with suppress(ConnectionClosed):
            async with asyncio.TaskGroup() as group:
                await _Conversation(self, socket, plan, group).run()


class _Conversation:
    def __init__(self, server: ChatV1Server, socket: ServerConnection, plan: Plan, group: asyncio.TaskGroup) -> None:
        self.server = server
        self.socket = socket
        self.plan = plan
        self.group = group
        self.told = 0
        self.skipped: set[int] = set()
        self.following: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        if self.plan.close_instead_of_welcome is not None:
            await self.socket.close(self.plan.close_instead_of_welcome)
        elif self.plan.first_frame is not None:
            await self.socket.send(self.plan.first_frame)
        else:
            await self.say(type="welcome", connection="c", server="test", heartbeat_s=self.server.heartbeat_s)
        for event in self.plan.before:
            await self.say(**event)
        await self.cut_or_close()
        async for frame in self.socket:
            command = json.loads(frame)
            self.server.received.append(command)
            if not self.plan.deaf:
                await getattr(self, command["type"])(command)
        for task in self.following.values():
            task.cancel()

    async def ping(self, command: dict[str, Any]) -> None:
        await self.say(type="pong", id=command["id"])

    async def ask(self, command: dict[str, Any]) -> None:
        if self.server.refusals:
            await self.say(type="error", id=command["id"], **self.server.refusals.pop(0))
            return
        asked, logs = self.server._asked, self.server.logs
        if command["id"] not in asked:
            asked[command["id"]] = f"a{len(logs) + 1}"
            logs[asked[command["id"]]] = Log(command["chat"], list(self.server.script[command["text"]]))
        answer = asked[command["id"]]
        if self.plan.cut_instead_of_accepted:
            self.socket.transport.abort()
            return
        await self.say(type="accepted", id=command["id"], answer=answer, chat="-", epoch=logs[answer].epoch)
        self.follow(answer, 0)

    async def resume(self, command: dict[str, Any]) -> None:
        cursors = {cursor["answer"]: cursor for cursor in command["cursors"]}
        logs = {
            id: log
            for id, log in self.server.logs.items()
            if log.chat == command["chat"] and (id in cursors or not (log.sealed and log.acknowledged))
        }
        firsts, told = {}, []
        for id, log in logs.items():
            cursor = cursors.get(id)
            fits = cursor is not None and cursor["epoch"] == log.epoch and cursor["seq"] < len(log.chunks)
            firsts[id] = cursor["seq"] + 1 if cursor and fits else 0
            verdict = "resumed" if fits else "snapshot"
            told.append({"answer": id, "epoch": log.epoch, "head": len(log.chunks), "verdict": verdict})
        gone = [{**cursors[id], "head": 0, "verdict": "gone"} for id in cursors if id not in logs]
        await self.say(type="resumed", chat=command["chat"], answers=[*told, *gone])
        for id, first in firsts.items():
            self.follow(id, first)

    async def ack(self, command: dict[str, Any]) -> None:
        self.server.logs[command["answer"]].acknowledged = True

    async def stop(self, command: dict[str, Any]) -> None:
        log = self.server.logs[command["answer"]]
        if not log.sealed:
            log.append({"type": "abort", "reason": "stopped"})

    def follow(self, answer: str, first: int) -> None:
        if answer in self.following:
            self.following[answer].cancel()
        self.following[answer] = self.group.create_task(self.tell(answer, first))

    async def tell(self, answer: str, seq: int) -> None:
        log = self.server.logs[answer]
        with suppress(ConnectionClosed):
            while True:
                while seq < len(log.chunks):
                    await self.chunk(answer, log.epoch, seq, log.chunks[seq])
                    seq += 1
                if log.sealed:
                    await self.say(type="end", answer=answer, seq=seq - 1, state="completed")
                    return
                log.grown.clear()
                await log.grown.wait()

    async def chunk(self, answer: str, epoch: str, seq: int, chunk: Chunk) -> None:
        if seq in self.plan.skip and seq not in self.skipped:
            self.skipped.add(seq)
            return
        for _ in range(2 if self.plan.twice else 1):
            await self.say(type="chunk", answer=answer, epoch=epoch, seq=seq, chunk=chunk)
        self.told += 1
        await self.cut_or_close()

    async def cut_or_close(self) -> None:
        if self.plan.cut_after == self.told:
            await asyncio.sleep(0)  # what was sent goes out before the cut
            self.socket.transport.abort()
        if self.plan.close_after and self.plan.close_after[0] == self.told:
            await self.socket.close(self.plan.close_after[1])

    async def say(self, **event: Any) -> None:
        await self.socket.send(json.dumps(event))
