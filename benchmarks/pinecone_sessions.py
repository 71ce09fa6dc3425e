"""Searches on Pinecone at once: what fails, how many connections they open, how long they take.

    python -m benchmarks.pinecone_sessions [--json OUT]

wire       the same requests without any client: bytes over kept connections, the answers not read into anything
bare       langchain-pinecone's store as it comes, not entered: the cause of "Session is closed"
isolated   our adapter with a new client for each search
shared     our adapter with one client for the process, its limit as high as the searches at once
limited    the same with the default limit of five: waiting for a turn is in its times

The real SDK over HTTP, against a server of the tests' own in another process that waits 50 ms and then searches.
`wire`, `shared` and `limited` are asked by turns, round by round: what else the machine does meets all of them. `ratio`
is a round's median to that of `wire` in the same round, which is the server's own latency and the machine's: the median
of the rounds; `ratios` says how far they lie apart. `reuse` is the share of the searches without a new connection.
"""

import argparse
import asyncio
import gc
import json
import random
import statistics
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import httpx
from langchain_pinecone import PineconeVectorStore
from rich.console import Console
from rich.table import Table

from retrieval.pinecone import Mode, PineconeAddress, PineconeVectors
from tests.contracts.pinecone_server import KEY

AT_ONCE = (10, 30, 100)
DIMENSION = 256
VECTORS = 500
TOP_K = 100  # as deep as retrieval asks
DEFAULT_LIMIT = 5
TIMEOUT_S = 60.0
KEPT_OPEN = ("wire", "shared", "limited")

Search: TypeAlias = Callable[[list[float]], Awaitable[object]]


@contextmanager
def server(latency_s: float) -> Iterator[str]:
    """Its URL."""
    command = [sys.executable, "-m", "tests.contracts.pinecone_server", "--dimension", str(DIMENSION)]
    with subprocess.Popen([*command, "--latency", str(latency_s)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def vectors(count: int) -> list[list[float]]:
    numbers = random.Random(7)
    return [[numbers.gauss(0, 1) for _ in range(DIMENSION)] for _ in range(count)]


async def fill(url: str) -> None:
    store = PineconeVectors(PineconeAddress(KEY, host=url), DIMENSION)
    rows = enumerate(vectors(VECTORS))
    await store.upsert(
        [(f"p{n}", vector, {"text": f"passage {n}"}) for n, vector in rows]
    )  # `text`: for the bare store
    await store.aclose()


@asynccontextmanager
async def wire(url: str, at_once: int) -> AsyncIterator[Search]:
    parts = urlsplit(url)
    idle = [await asyncio.open_connection(parts.hostname, parts.port) for _ in range(at_once)]

    async def search(vector: list[float]) -> None:
        body = json.dumps({"vector": vector, "topK": TOP_K, "namespace": ""}).encode()
        head = f"POST /query HTTP/1.1\r\nHost: {parts.netloc}\r\nApi-Key: {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
        reader, writer = idle.pop()
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200")
        await reader.readexactly(int(answer.lower().split(b"content-length: ")[1].split()[0]))
        idle.append((reader, writer))

    yield search
    for _, writer in idle:
        writer.close()


@asynccontextmanager
async def bare(url: str, at_once: int) -> AsyncIterator[Search]:
    embedding: Any = object()  # never asked
    store = PineconeVectorStore(host=url, pinecone_api_key=KEY, embedding=embedding)
    yield lambda vector: store.asimilarity_search_by_vector_with_score(vector, k=TOP_K)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it loses sessions
        gc.collect()


@asynccontextmanager
async def ours(url: str, mode: Mode, limit: int) -> AsyncIterator[Search]:
    address = PineconeAddress(KEY, host=url)
    store = PineconeVectors(address, DIMENSION, mode=mode, concurrency=limit, timeout_s=TIMEOUT_S)
    await store.open()
    yield lambda vector: store.search(vector, top_k=TOP_K)
    await store.aclose()


MODES: dict[str, Callable[[str, int], Any]] = {
    "wire": wire,
    "bare": bare,
    "isolated": lambda url, at_once: ours(url, "isolated", at_once),
    "shared": lambda url, at_once: ours(url, "shared", at_once),
    "limited": lambda url, at_once: ours(url, "shared", DEFAULT_LIMIT),
}


@dataclass
class Asked:
    """What came of a mode's searches; a median for each round."""

    times: list[float] = field(default_factory=list)
    medians: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    cpu_s: float = 0.0
    searches: int = 0


async def ask(url: str, search: Search, at_once: int, searches: int, asked: Asked) -> None:
    """So many searches by so many callers, each of which asks again as soon as it is answered."""
    queries = iter(vectors(searches))
    times: list[float] = []

    async def caller() -> None:
        for query in queries:
            began = time.perf_counter()
            try:
                await search(query)
                times.append(1_000 * (time.perf_counter() - began))
            except Exception as error:
                asked.failures[str(error) or type(error).__name__] += 1

    async with httpx.AsyncClient() as http:
        before = (await http.get(f"{url}/_counts")).json()["connections"]
        began_cpu = time.process_time()
        await asyncio.gather(*(caller() for _ in range(at_once)))
        asked.cpu_s += time.process_time() - began_cpu
        asked.connections += (await http.get(f"{url}/_counts")).json()["connections"] - before
    asked.searches += searches
    asked.times += times
    asked.medians.append(statistics.median(times) if times else 0.0)


async def measure(url: str, modes: Sequence[str], at_once: int, searches: int, rounds: int) -> list[dict[str, Any]]:
    """The modes by turns, each with the client that it has from the first round to the last."""
    asked = {mode: Asked() for mode in modes}
    async with AsyncExitStack() as stack:
        opened = {mode: await stack.enter_async_context(MODES[mode](url, at_once)) for mode in modes}
        for _ in range(rounds):
            for mode, search in opened.items():
                await ask(url, search, at_once, searches // rounds, asked[mode])
    return [_row(mode, at_once, one, asked["wire"].medians) for mode, one in asked.items()]


def _row(mode: str, at_once: int, asked: Asked, wire: Sequence[float]) -> dict[str, Any]:
    cuts = statistics.quantiles(asked.times, n=20) if len(asked.times) > 1 else [0.0] * 19
    ratios = [median / own for median, own in zip(asked.medians, wire, strict=True)]
    return {
        "mode": mode,
        "at_once": at_once,
        "searches": asked.searches,
        "failures": asked.failures.total(),
        "failed_with": dict(asked.failures.most_common(3)),
        "connections": asked.connections,
        "reuse": round(1 - asked.connections / asked.searches, 3),
        "median_ms": round(cuts[9], 1),
        "p95_ms": round(cuts[18], 1),
        "cpu_ms": round(1_000 * asked.cpu_s / asked.searches, 2),
        "ratio": round(statistics.median(ratios), 3),
        "ratios": f"{min(ratios):.2f}-{max(ratios):.2f}",
    }


async def measure_all(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)  # the bare store's lost sessions
    wanted = list(dict.fromkeys(["wire", *(arguments.mode or MODES)]))
    rows: list[dict[str, Any]] = []
    with server(arguments.latency_ms / 1_000) as url:
        await fill(url)
        for at_once in arguments.at_once or AT_ONCE:
            kept = [mode for mode in wanted if mode in KEPT_OPEN]
            rows += await measure(url, kept, at_once, arguments.searches * at_once, arguments.rounds)
            anew = ["wire", *(mode for mode in wanted if mode not in KEPT_OPEN)]
            rows += (await measure(url, anew, at_once, arguments.searches * 10, 1))[1:]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=MODES, action="append", help="this one (may be given again)")
    parser.add_argument("--at-once", type=int, action="append", help="so many at once (may be given again)")
    parser.add_argument(
        "--searches", type=int, default=30, help="of each caller; of ten in all where each search connects anew"
    )
    parser.add_argument("--rounds", type=int, default=6, help="in which those that are kept open take turns")
    parser.add_argument("--latency-ms", type=float, default=50.0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = asyncio.run(measure_all(arguments))
    columns = [name for name in rows[0] if name != "failed_with"]
    table = Table(
        *columns, title=f"Searches on Pinecone, {arguments.latency_ms:g} ms and the search itself at the server"
    )
    for row in rows:
        table.add_row(*(str(row[name]) for name in columns))
    Console(width=120).print(table)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
