"""A thousand clients that stop reading in mid-answer: what they hold of the server's memory, and whether others
notice."""

import asyncio
import json
import time
import uuid
from typing import Any

import psutil

from benchmarks.delivery_cost import answer
from benchmarks.delivery_process import ask, connect
from benchmarks.raw_socket import RawSocket

_AT_ONCE = 100


async def stalled_readers(port: int, process: psutil.Process, count: int) -> dict[str, Any]:
    """They follow one answer of 4 MB and read its first bytes only; then somebody else streams an answer."""
    chat = uuid.uuid4().hex
    async with await connect(port) as asker:
        await asker.send(ask("/script tokens=4000 size=1000", chat=chat))
        async for frame in asker:
            if '"type":"end"' in str(frame):
                break
    quick_before = await _seconds(port)
    before = process.memory_info().rss
    stalled = [_Stalled(chat) for _ in range(count)]
    loop = asyncio.get_running_loop()
    for start in range(0, count, _AT_ONCE):
        part = stalled[start : start + _AT_ONCE]
        await asyncio.gather(*(loop.create_connection(client.socket, "127.0.0.1", port) for client in part))
        await asyncio.gather(*(client.following.wait() for client in part))
    held = process.memory_info().rss - before
    quick = await _seconds(port)
    for client in stalled:
        client.raw.close()
    await asyncio.sleep(0.5)  # until the sockets are closed
    return {
        "stalled_readers": count,
        "kib_per_stalled_reader": round(held / 1024 / count, 1),
        "answer_beside_them_s": [round(quick_before, 2), round(quick, 2)],
    }


class _Stalled:
    """Resumes a chat without a cursor, reads the first entry, then nothing more."""

    def __init__(self, chat: str) -> None:
        self.chat = chat
        self.following = asyncio.Event()
        self.raw = RawSocket("/ws", self.on_text, lambda code: self.following.set())

    def socket(self) -> RawSocket:
        return self.raw

    def on_text(self, text: bytes) -> None:
        if text.startswith(b'{"type":"welcome"'):
            self.raw.send(json.dumps({"type": "resume", "chat": self.chat}).encode())
        elif text.startswith(b'{"type":"chunk"') and not self.following.is_set():
            self.raw.stop_reading()
            self.following.set()


async def _seconds(port: int) -> float:
    """How long an answer of 2,000 entries takes somebody who reads."""
    began = time.monotonic()
    await answer(port, 2000)
    return time.monotonic() - began
