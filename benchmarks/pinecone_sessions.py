"""Searches on Pinecone at once: what fails, how many connections they open, how long they take.

    python -m benchmarks.pinecone_sessions [--json OUT]

wire       the same requests without any client: bytes over kept connections, the answers not read into anything
bare       langchain-pinecone's store as it comes, not entered: the cause of "Session is closed"
isolated   our adapter with a new client for each search
shared     our adapter with one client for the process, its limit as high as the searches at once
limited    the same with the default limit of five: waiting for a turn is in its times

The real SDK over HTTP, against a server of the tests' own in another process that waits 50 ms and then searches.
`ratio` is a median to that of `wire` at as many at once, which is the server's own latency and the machine's: on a busy
one both grow. `reuse` is the share of the searches that needed no new connection.
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
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
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


async def measure(url: str, mode: str, at_once: int, searches: int) -> dict[str, Any]:
    """So many searches by so many callers, each of which asks again as soon as it is answered."""
    queries = iter(vectors(searches))
    times: list[float] = []
    failures: Counter[str] = Counter()
    async with MODES[mode](url, at_once) as search, httpx.AsyncClient() as http:

        async def caller() -> None:
            for query in queries:
                began = time.perf_counter()
                try:
                    await search(query)
                    times.append(1_000 * (time.perf_counter() - began))
                except Exception as error:
                    failures[str(error) or type(error).__name__] += 1

        before = (await http.get(f"{url}/_counts")).json()["connections"]
        began_cpu = time.process_time()
        await asyncio.gather(*(caller() for _ in range(at_once)))
        cpu_ms = 1_000 * (time.process_time() - began_cpu) / searches
        connections = (await http.get(f"{url}/_counts")).json()["connections"] - before
    cuts = statistics.quantiles(times, n=20) if len(times) > 1 else [0.0] * 19
    return {
        "mode": mode,
        "at_once": at_once,
        "searches": searches,
        "failures": failures.total(),
        "failed_with": dict(failures.most_common(3)),
        "connections": connections,
        "reuse": round(1 - connections / searches, 3),
        "median_ms": round(cuts[9], 1),
        "p95_ms": round(cuts[18], 1),
        "cpu_ms": round(cpu_ms, 2),
    }


async def measure_all(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)  # the bare store's lost sessions
    modes = dict.fromkeys(["wire", *(arguments.mode or MODES)])
    with server(arguments.latency_ms / 1_000) as url:
        await fill(url)
        rows = [
            await measure(url, mode, at_once, arguments.searches * (at_once if mode in KEPT_OPEN else 10))
            for at_once in arguments.at_once or AT_ONCE
            for mode in modes
        ]
    own_ms = {row["at_once"]: row["median_ms"] for row in rows if row["mode"] == "wire"}
    return [row | {"ratio": round(row["median_ms"] / own_ms[row["at_once"]], 3)} for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=MODES, action="append", help="this one (may be given again)")
    parser.add_argument("--at-once", type=int, action="append", help="so many at once (may be given again)")
    parser.add_argument(
        "--searches", type=int, default=30, help="of each caller; of ten in all where each search connects anew"
    )
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
