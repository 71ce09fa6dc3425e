"""A socket that the test reads frame by frame, on a log that answers when the test lets it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from chatserver.access.identity import Identity
from chatserver.answers.log import Claim, LogUnavailable
from chatserver.answers.memory import MemoryAnswerLog
from chatserver.answers.meta import AnswerMeta
from chatserver.answers.states import AnswerState
from chatserver.delivery.manager import ConnectionManager
from chatserver.delivery.socket import SocketClosed
from chatserver.protocol.session import Session
from tests.contracts.answer_logs import LEASE_S, batch, claimed, question
from tests.delivery.served import LIMITS

ENTRIES = 10
EVERYTHING = 10**9


class SlowLog(MemoryAnswerLog):
    """Answers about one answer only when the test allows it."""

    def __init__(self) -> None:
        super().__init__()
        self.slow: str | None = None
        self.asked = 0
        self.allowed = asyncio.Event()
        self.away = False

    async def meta(self, answer: str) -> AnswerMeta | None:
        if answer == self.slow:
            self.asked += 1
            await self.allowed.wait()
        return await super().meta(answer)

    async def read(self, answer: str, first: int, limit: int) -> list[bytes]:
        if self.away:
            raise LogUnavailable("away")
        return await super().read(answer, first, limit)


@dataclass
class Peer:
    """A peer that reads as many frames as it is let, and hangs in the next send."""

    sent: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)
    closes: list[tuple[int, str]] = field(default_factory=list)
    waiting: bool = False
    incoming: "asyncio.Queue[str | None]" = field(default_factory=asyncio.Queue)
    reads: int = EVERYTHING
    more: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self) -> str | bytes:
        frame = await self.incoming.get()
        if frame is None:
            raise SocketClosed
        return frame

    async def send(self, frames: Sequence[str]) -> None:
        for frame in frames:
            if self.closes:
                raise SocketClosed
            await self._turn()
            self.events.append(orjson.loads(frame))
            self.sent += 1

    async def close(self, code: int, reason: str) -> None:
        await self._turn()
        self.closes.append((int(code), reason))
        self.incoming.put_nowait(None)

    def read(self, frames: int) -> None:
        self.reads += frames
        self.more.set()

    async def _turn(self) -> None:
        while not self.reads:
            self.waiting = True
            self.more.clear()
            await self.more.wait()
        self.waiting = False
        self.reads -= 1

    def say(self, type: str, **fields: Any) -> None:
        self.incoming.put_nowait(orjson.dumps({"type": type, **fields}).decode())

    def count(self, type: str) -> int:
        return [event["type"] for event in self.events].count(type)

    def seqs(self, answer: str) -> list[int]:
        return [event["seq"] for event in self.events if event["type"] == "chunk" and event["answer"] == answer]


@asynccontextmanager
async def serving(manager: ConnectionManager, peer: Peer) -> AsyncIterator[None]:
    """The connection of `peer`, until the peer leaves."""
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(manager.serve(peer, Identity("ada"), Session(LIMITS)))
        yield
        peer.read(EVERYTHING)
        peer.incoming.put_nowait(None)


async def have(log: MemoryAnswerLog, answer: str, *, sealed: bool = True) -> Claim:
    """An answer of ENTRIES entries, and the claim that they were appended under."""
    await log.create(question(answer, at=float(answer.removeprefix("a"))))
    claim = await claimed(log, answer, "elsewhere")
    await log.append(claim, batch(0, ENTRIES, seal=AnswerState.COMPLETED if sealed else None), LEASE_S)
    return claim
