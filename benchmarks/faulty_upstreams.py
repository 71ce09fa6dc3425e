"""Vectors and graph that fail: the tests' Pinecone, and a relay in front of a real Neo4j, each with faults in a given
share of what comes, in turn in each way that such an upstream fails."""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import SecretStr

from benchmarks.sample import SAMPLE
from chatserver.settings import Neo4j, Pinecone, Settings, Storage
from chatserver.wiring import open_knowledge
from tests.contracts.neo4j_server import PASSWORD, Neo4jServer, require_neo4j
from tests.contracts.pinecone_server import KEY, Answer, Fault, pinecone_server

DIMENSION = 256
VECTOR_FAULTS: dict[str, Fault] = {
    "503": Answer(503),
    "429": Answer(429, headers=(("Retry-After", "0.1"),)),
    "500": Answer(500),
    "reset": "reset",
    "cut": "cut",
    "no answer": "silent",
    "not JSON": Answer(200, b"{", (("Content-Type", "application/json"),)),
}
GRAPH_FAULTS = ("cut", "no answer", "late")
_LATE_S = 0.3
_RUN = b"\xb3\x10"
"""How Bolt's message for a statement begins."""


@dataclass
class Share:
    """Draws a fault for a share of the calls, each of `names` in its turn, while `on`."""

    share: float
    names: tuple[str, ...]
    seed: int
    on: bool = False
    calls: int = 0
    drawn: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        self._turn: Iterator[str] = itertools.cycle(self.names)

    def __call__(self) -> str:
        """The name of a fault, or ""."""
        if not self.on:
            return ""
        self.calls += 1
        if self._rng.random() >= self.share:
            return ""
        fault = next(self._turn)
        self.drawn[fault] += 1
        return fault


@asynccontextmanager
async def relay(port: int, faults: Share) -> AsyncIterator[int]:
    """A port that passes everything on to `port`; a share of a client's statements meets a fault."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            there, out = await asyncio.open_connection("127.0.0.1", port)
            try:
                back = asyncio.create_task(_pass(there, writer, None))
                try:
                    await _pass(reader, out, faults)
                finally:
                    back.cancel()
                    await asyncio.gather(back, return_exceptions=True)
            finally:
                out.transport.abort()
                writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1_000)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, faults: Share | None) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            match faults() if faults is not None and _RUN in data else "":
                case "cut":
                    return
                case "no answer":
                    await reader.read(-1)  # until the client hangs up
                    return
                case "late":
                    await asyncio.sleep(_LATE_S)
            writer.write(data)
            await writer.drain()


@dataclass
class Upstreams:
    """The sample in both stores, and the settings that lead to them; faults come while their `on` is set."""

    settings: Settings
    vectors: Share
    graph: Share


@asynccontextmanager
async def upstreams(share: float) -> AsyncIterator[Upstreams]:
    """Raises what `require_neo4j` does where there is none."""
    require_neo4j()
    vectors, graph = Share(share, tuple(VECTOR_FAULTS), 11), Share(share, GRAPH_FAULTS, 13)
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory()))
        (directory / "neo4j").mkdir()
        neo4j = Neo4jServer(directory / "neo4j")
        stack.callback(neo4j.kill)
        await asyncio.to_thread(neo4j.start)
        port = await stack.enter_async_context(relay(neo4j.port, graph))
        pinecone = await stack.enter_async_context(pinecone_server(dimension=DIMENSION))
        pinecone.draw = lambda: VECTOR_FAULTS.get(vectors())
        settings = Settings(
            storage=Storage(data_dir=directory / "data"),
            pinecone=Pinecone(api_key=SecretStr(KEY), host=pinecone.url),
            neo4j=Neo4j(uri=f"bolt://127.0.0.1:{port}", password=SecretStr(PASSWORD)),
        )
        async with open_knowledge(settings) as knowledge:
            await knowledge.ingestion.ingest_paths([SAMPLE])
        yield Upstreams(settings, vectors, graph)
