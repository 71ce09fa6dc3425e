"""What attackers cost the others: a bystander asks one question after the other while a server is abused.

python -m benchmarks.attacks --json artifacts/attacks.json [--sockets 10000] [--upload-mb 1000] [--chats 2000]

For each attack: what became of it, how long the bystander waited for the first words of each answer, and the server's
memory and descriptors at their highest.
"""

import argparse
import asyncio
import gzip
import json
import secrets
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import httpx
import psutil
import websockets

from benchmarks.delivery_process import supervised_server
from chatserver.access.keys import Secrets
from chatserver.access.tokens import issue
from chatserver.client import Client

KEY = secrets.token_urlsafe(48)
QUESTION = "/script tokens=5"
_HEAD = b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@dataclass
class Target:
    """The server under attack, and what was seen of it."""

    port: int
    process: psutil.Process
    options: argparse.Namespace
    outcome: Counter[str] = field(default_factory=Counter)
    waits_s: list[float] = field(default_factory=list)
    rss_mb: float = 0.0
    descriptors: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def look(self) -> None:
        with suppress(psutil.NoSuchProcess):
            (server,) = self.process.children()
            self.rss_mb = max(self.rss_mb, server.memory_info().rss / 1e6)
            self.descriptors = max(self.descriptors, server.num_fds())

    def report(self) -> dict[str, Any]:
        waits = sorted(self.waits_s)
        return {
            "outcome": dict(self.outcome),
            "answers": len(waits),
            "first_words_ms": {"p50": round(statistics.median(waits) * 1e3, 1), "max": round(waits[-1] * 1e3, 1)},
            "rss_mb": round(self.rss_mb),
            "descriptors": self.descriptors,
        }


Attack: TypeAlias = Callable[[Target], Awaitable[None]]


def token(user: str) -> str:
    return issue(Secrets([KEY]).signing, user, ttl_s=86_400)


async def nothing(target: Target) -> None:
    """The bystander alone."""
    await asyncio.sleep(5)


async def half_open(target: Target) -> None:
    """Sockets that never say a word, until the server has ended them all."""
    await _ended(target, await _opened(target, target.options.sockets), b"")


async def slow_loris(target: Target) -> None:
    """Heads that come a byte at a time and never end."""
    await _ended(target, await _opened(target, target.options.sockets // 10), b"X")


async def _opened(target: Target, count: int) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    opened = []
    for _ in range(count):
        try:
            opened.append(await asyncio.open_connection("127.0.0.1", target.port))
        except OSError:
            target.outcome["not connected"] += 1
    return opened


async def _ended(target: Target, opened: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]], drip: bytes) -> None:
    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            writer.write(b"GET / HTTP/1.1\r\nX-Slow: " if drip else b"")
            while not reader.at_eof():
                writer.write(drip)
                with suppress(TimeoutError):
                    async with asyncio.timeout(1):
                        await reader.read(1)
        writer.close()
        target.outcome["ended by the server"] += 1

    try:
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for reader, writer in opened:
                group.create_task(one(reader, writer))
    except TimeoutError:
        target.outcome["still open after 60 s"] = len(opened) - target.outcome["ended by the server"]


async def upload(target: Target) -> None:
    """A body that is announced as far too large, and one that does not say how large it is."""
    size = target.options.upload_mb << 20
    credentials = f"Authorization: Bearer {token('mallory')}\r\n".encode()
    for framing in (f"Content-Length: {size}\r\n\r\n".encode(), b"Transfer-Encoding: chunked\r\n\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        writer.write(_HEAD + credentials + framing)
        piece = b"10000\r\n" + b" " * 65536 + b"\r\n" if b"chunked" in framing else b" " * 65536
        sent = 0
        with suppress(OSError):
            while sent < size:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
                sent += 65536
        target.outcome["megabytes taken"] += sent >> 20
        with suppress(OSError):
            target.outcome[(await reader.readline()).decode().strip() or "cut"] += 1
        writer.close()


async def bombs(target: Target) -> None:
    """A gigabyte of blanks, packed: as a request's body, and as a frame of a WebSocket that never agreed to packing."""
    packed = gzip.compress(b" " * (target.options.upload_mb << 20))
    headers = {"Authorization": f"Bearer {token('mallory')}", "Content-Encoding": "gzip"}
    async with httpx.AsyncClient(base_url=target.url, trust_env=False) as http:
        response = await http.post("/v1/search", content=packed, headers=headers)
        target.outcome[f"body: {response.status_code}"] += 1
    uri, proof = target.url.replace("http", "ws") + "/ws", {"Authorization": f"Bearer {token('mallory')}"}
    async with websockets.connect(uri, additional_headers=proof, proxy=None) as socket:
        target.outcome[f"packing agreed: {bool(socket.protocol.extensions)}"] += 1
        await socket.recv()
        socket.transport.write(b"\xc1\xfe\xff\xff\x00\x00\x00\x00" + b"\x00" * 65535)  # a text frame that says "packed"
        await socket.wait_closed()
        target.outcome[f"frame: closed {socket.close_code}"] += 1


async def headers(target: Target) -> None:
    """Heads of megabytes, in many lines and in one."""
    for flood in (b"".join(b"X-%d: y\r\n" % n for n in range(200_000)), b"X: " + b"y" * (4 << 20)):
        for _ in range(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
            with suppress(OSError):
                writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n" + flood)
                await writer.drain()
            line = b""
            with suppress(OSError):
                line = await reader.readline()
            target.outcome[line.decode().strip() or "cut"] += 1
            writer.close()


async def frames(target: Target) -> None:
    """Messages larger than any may be, and noise without an end."""
    uri, proof = target.url.replace("http", "ws") + "/ws", {"Authorization": f"Bearer {token('mallory')}"}
    for frame, times in (("x" * (8 << 20), 1), ("x" * (300 << 10), 40), ("{", 10_000)):
        async with websockets.connect(uri, additional_headers=proof, proxy=None, compression=None) as socket:
            with suppress(websockets.ConnectionClosed):
                for _ in range(times):
                    await socket.send(frame)
                async for _ in socket:
                    pass
            target.outcome[f"closed {socket.close_code}"] += 1


async def chats(target: Target) -> None:
    """One user begins chat after chat, as fast as they are taken, and again as soon as they may."""
    async with Client(target.url, token=token("mallory")) as client, asyncio.TaskGroup() as group:
        for _ in range(target.options.chats):
            group.create_task(_asked(client, target.outcome))
    async with httpx.AsyncClient(base_url=target.url, trust_env=False, timeout=60) as http:
        shown = await http.get("/v1/chats", headers={"Authorization": f"Bearer {token('mallory')}"})
        target.outcome["chats shown"] = len(shown.json()["chats"])


async def _asked(client: Client, outcome: Counter[str]) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(30):
            await client.ask(QUESTION).result()
            outcome["answered"] += 1
            return
    outcome["made to wait"] += 1


ATTACKS: dict[str, Attack] = {
    attack.__name__.replace("_", " "): attack
    for attack in (nothing, half_open, slow_loris, upload, bombs, headers, frames, chats)
}


async def attacked(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """One attack on a server of its own."""
    with (
        TemporaryDirectory() as directory,
        supervised_server(Path(directory), settings={"CHATSERVER_TOKEN_KEYS": KEY, **UNMETERED}) as (port, process),
    ):
        target = Target(port, process, options)
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(_stand_by(target, over))
            try:
                await ATTACKS[name](target)
            finally:
                over.set()
        return target.report()


UNMETERED = {"CHATSERVER_USERS_PER_ADDRESS": "1000"}
"""Attacker and bystander share an address here."""


async def _stand_by(target: Target, over: asyncio.Event) -> None:
    """Asks until it is over, at least once, each time on a new connection."""
    number = 0
    while not over.is_set() or not target.waits_s:
        number += 1
        began = time.perf_counter()
        async with Client(target.url, token=token(f"bystander-{number // 20}")) as client:
            async for entry in client.ask(QUESTION):
                if entry.chunk["type"] == "text-delta":
                    target.waits_s.append(time.perf_counter() - began)
                    break
        target.look()
        await asyncio.sleep(0.05)


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("attacks", nargs="*", default=list(ATTACKS), help=", ".join(ATTACKS))
    parser.add_argument("--sockets", type=int, default=10_000)
    parser.add_argument("--upload-mb", type=int, default=1000)
    parser.add_argument("--chats", type=int, default=2000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    reports = {}
    for name in options.attacks:
        reports[name] = asyncio.run(attacked(name, options))
        print(name, json.dumps(reports[name]), flush=True)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(reports, indent=2) + "\n")
    return reports


if __name__ == "__main__":
    main()
