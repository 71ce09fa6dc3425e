"""A reconnect storm: many clients tail answers that run, the server is replaced, all of them come back at once.

Each client reconnects when the server's `draining` told it to, resumes from its cursor, and checks that what it gets
joins what it had. The clients share one process and its CPU with nobody's interest; the server has the rest.
"""

import asyncio
import json
import signal
import statistics
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import psutil

from benchmarks.raw_socket import RawSocket

CHATS = 100
_RAMP = 200  # connects under way at a time
_PATIENCE_S = 120.0


@dataclass(slots=True)
class Client:
    """One tab on one chat. `resumed_s` is the time from the loss of its connection to `resumed`."""

    port: int
    chat: str
    answer: str = ""
    epoch: str = ""
    next: int = 0
    gaps: int = 0
    refused: int = 0
    lost_at: float = 0.0
    resumed_s: float | None = None
    retry_s: float = 0.0
    stopping: bool = False
    socket: RawSocket | None = None
    live: asyncio.Event = field(default_factory=asyncio.Event)
    resumed: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                _, self.socket = await loop.create_connection(
                    lambda: RawSocket("/ws", self.on_text, self.on_end), "127.0.0.1", self.port
                )
                return
            except OSError:
                self.refused += 1
                await asyncio.sleep(0.1)

    def on_text(self, text: bytes) -> None:
        if text.startswith(b'{"type":"chunk"'):
            self.on_chunk(json.loads(text))
        elif text.startswith(b'{"type":"welcome"'):
            cursors = [{"answer": self.answer, "epoch": self.epoch, "seq": self.next - 1}] if self.answer else []
            assert self.socket is not None
            self.socket.send(json.dumps({"type": "resume", "chat": self.chat, "cursors": cursors}).encode())
        elif text.startswith(b'{"type":"resumed"'):
            if self.lost_at:
                self.resumed_s = time.monotonic() - self.lost_at
                self.resumed.set()
            self.live.set()
        elif text.startswith(b'{"type":"draining"'):
            self.retry_s = json.loads(text)["retry_after_ms"] / 1000

    def on_chunk(self, event: dict[str, Any]) -> None:
        if self.answer and (event["answer"] != self.answer or event["seq"] != self.next):
            self.gaps += 1
        self.answer, self.epoch, self.next = event["answer"], event["epoch"], event["seq"] + 1

    def on_end(self, code: int | None) -> None:
        if self.stopping:
            return
        self.lost_at = self.lost_at or time.monotonic()
        self.live.clear()
        task = asyncio.get_running_loop().create_task(self.come_back())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def come_back(self) -> None:
        await asyncio.sleep(self.retry_s)
        await self.connect()


async def storm(port: int, supervisor: psutil.Process, clients: int, *, tokens: int) -> dict[str, Any]:
    """`clients` tabs on CHATS chats with one running answer each; SIGHUP replaces the server under them."""
    chats = [uuid.uuid4().hex for _ in range(CHATS)]
    asker = RawSocket("/ws", lambda text: None, lambda code: None)
    await asyncio.get_running_loop().create_connection(lambda: asker, "127.0.0.1", port)
    await asyncio.sleep(0.5)
    for chat in chats:
        text = f"/script tokens={tokens} delay_ms=1000"
        asker.send(json.dumps({"type": "ask", "id": chat, "chat": chat, "text": text}).encode())
    tabs = [Client(port, chats[index % CHATS]) for index in range(clients)]
    for start in range(0, clients, _RAMP):
        part = tabs[start : start + _RAMP]
        await asyncio.gather(*(tab.connect() for tab in part))
        await asyncio.gather(*(tab.live.wait() for tab in part))
    supervisor.send_signal(signal.SIGHUP)
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await asyncio.gather(*(tab.resumed.wait() for tab in tabs))
    except TimeoutError:
        pass  # the summary tells how many have not resumed
    await asyncio.sleep(3)  # a few more entries of every answer
    asker.close()
    return summary(tabs)


def summary(tabs: list[Client]) -> dict[str, Any]:
    for tab in tabs:
        tab.stopping = True
        if tab.socket is not None:
            tab.socket.close()
    times = [tab.resumed_s for tab in tabs if tab.resumed_s is not None]
    cuts = statistics.quantiles(times, n=100) if len(times) > 1 else [0.0] * 99
    return {
        "clients": len(tabs),
        "resumed": len(times),
        "resumed_p50_s": round(cuts[49], 2),
        "resumed_p99_s": round(cuts[98], 2),
        "gaps": sum(tab.gaps for tab in tabs),
        "refused_connects": sum(tab.refused for tab in tabs),
    }
