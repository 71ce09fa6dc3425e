"""A Pinecone of the tests' own: control and data plane over real HTTP, one index a host, and faults on demand.

It is not Pinecone and shares no code with the SDK; `pinecone_index` says where it answers otherwise than the real
one. Both planes are on one port of this machine: an index's "host" is the same address with its name as a path.

    python -m tests.contracts.pinecone_server --dimension 256 --latency 0.05     (for the benchmark; prints its URL)
"""

import argparse
import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from email.parser import BytesParser
from http import HTTPStatus
from typing import Literal, TypeAlias
from urllib.parse import parse_qs, urlsplit

from retrieval.background import BackgroundLoop
from tests.contracts.pinecone_index import Body, Index, Refused

KEY = "pc-test-key"
_AT = "/at/"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer in the place of the real one; `after_s` late."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


Fault: TypeAlias = Answer | Literal["reset", "cut", "silent"]
"""`reset`: the connection ends without an answer. `cut`: it ends within the answer. `silent`: nothing comes until the
client hangs up."""


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    def parameter(self, name: str, default: str = "") -> str:
        return self.query.get(name, [default])[0]


@dataclass
class PineconeServer:
    """`faults` are taken one by one by the requests of the data plane, and then `draw` says what each meets; the other
    fields hold for all of them."""

    indexes: dict[str, Index] = field(default_factory=dict)
    faults: deque[Fault] = field(default_factory=deque)
    draw: Callable[[], Fault | None] = lambda: None
    latency_s: float = 0.0
    held: asyncio.Event | None = None
    """What the requests that come while it is set here wait for."""
    idle_s: float | None = None
    """How long a connection that has had an answer may be idle before the server closes it."""
    ready_after: int = 0
    """How often a new index is described before it is ready."""
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    most_at_once: int = 0
    port: int = 0
    _at_once: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def asked(self, path: str) -> int:
        return sum(request.path.endswith(path) for request in self.requests)

    async def start(self) -> None:
        """On the port that it had before, if it had one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=1_000)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """As when the machine goes down: what is open is cut. The indexes stay."""
        assert self._server is not None
        self._server.close()
        self.drop_connections()
        await self._server.wait_closed()

    def drop_connections(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        try:
            with suppress(TimeoutError, asyncio.IncompleteReadError, ConnectionError):
                await self._exchange(await _read(reader, None), writer)
                while True:
                    await self._exchange(await _read(reader, self.idle_s), writer)
        finally:
            self._open.discard(writer)
            writer.close()

    async def _exchange(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.requests.append(request)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            if self.held is not None:
                await self.held.wait()
            if self.latency_s:
                await asyncio.sleep(self.latency_s)
        finally:
            self._at_once -= 1
        controls = request.path.startswith(("/indexes", "/_"))
        fault = None if controls else self.faults.popleft() if self.faults else self.draw()
        if fault == "silent":
            await writer.wait_closed()
            raise ConnectionResetError
        if fault == "reset":
            writer.transport.abort()
            raise ConnectionResetError
        answer = fault if isinstance(fault, Answer) else self._answer(request)
        whole = _encoded(answer)
        writer.write(whole[:-5] if fault == "cut" else whole)
        await writer.drain()
        if fault == "cut":
            raise ConnectionResetError

    def _answer(self, request: Request) -> Answer:
        try:
            if request.path == "/_counts":  # not Pinecone's: for the benchmark, which runs in another process
                return _json(200, {"connections": self.connections})
            if request.headers.get("api-key") != KEY:
                raise Refused(401, {"error": {"code": "UNAUTHENTICATED", "message": "Invalid API Key"}, "status": 401})
            if request.path.startswith("/indexes"):
                return self._control(request)
            return _json(200, self._data(request))
        except Refused as refused:
            return _json(refused.status, refused.body)

    def _data(self, request: Request) -> Body:
        index, path = self._addressed(request.path)
        body = json.loads(request.body or b"{}")
        namespace = request.parameter("namespace")
        match request.method, path:
            case "POST", "/query":
                return index.query(body)
            case "POST", "/vectors/upsert":
                return index.upsert(body, len(request.body))
            case "POST", "/vectors/delete":
                return index.delete(body)
            case "POST", "/describe_index_stats":
                return index.stats()
            case "GET", "/vectors/fetch":
                return index.fetch(request.query.get("ids", []), namespace)
            case "GET", "/vectors/list":
                limit = int(request.parameter("limit", "100"))
                return index.list_ids(
                    request.parameter("prefix"), limit, request.parameter("paginationToken"), namespace
                )
        raise Refused(404, {"code": 5, "message": "Not Found", "details": []})

    def _addressed(self, path: str) -> tuple[Index, str]:
        """The index and the path on it; the bare address is that of the only index."""
        name, slash, rest = path.removeprefix(_AT).partition("/")
        if path.startswith(_AT) and name in self.indexes:
            return self.indexes[name], slash + rest
        if len(self.indexes) == 1:
            return next(iter(self.indexes.values())), path
        raise Refused(404, {"code": 5, "message": "Index not found", "details": []})

    def _control(self, request: Request) -> Answer:
        name = request.path.removeprefix("/indexes").removeprefix("/")
        match request.method, name:
            case "GET", "":
                return _json(200, {"indexes": [self._described(index) for index in self.indexes.values()]})
            case "POST", "":
                return self._create(json.loads(request.body))
            case "GET", _ if name in self.indexes:
                return _json(200, self._described(self.indexes[name]))
            case "DELETE", _ if name in self.indexes:
                del self.indexes[name]
                return Answer(202)
        missing = {"code": "NOT_FOUND", "message": f"Resource {name} not found"}
        raise Refused(404, {"error": missing, "status": 404})

    def _create(self, body: Body) -> Answer:
        if body["name"] in self.indexes:
            raise Refused(
                409, {"error": {"code": "ALREADY_EXISTS", "message": "Resource already exists"}, "status": 409}
            )
        index = Index(body["name"], body["dimension"], body["metric"], ready=self.ready_after == 0)
        self.indexes[index.name] = index
        return _json(201, self._described(index))

    def _described(self, index: Index) -> Body:
        described = index.description(f"{self.url}{_AT}{index.name}")
        if not index.ready:
            self.ready_after -= 1
            index.ready = self.ready_after <= 0
        return described


@asynccontextmanager
async def pinecone_server(*, dimension: int | None = 16, name: str = "passages") -> AsyncIterator[PineconeServer]:
    """Started, with one empty index unless the dimension is None; stopped at the end."""
    server = PineconeServer({} if dimension is None else {name: Index(name, dimension)})
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@contextmanager
def threaded_pinecone(*, dimension: int | None = 16) -> Iterator[PineconeServer]:
    """The same on a thread of its own, for tests of what runs an event loop itself."""
    background = BackgroundLoop("pinecone")
    context = pinecone_server(dimension=dimension)
    try:
        yield background.run(context.__aenter__())
    finally:
        background.run(context.__aexit__(None, None, None))
        background.close()


async def _read(reader: asyncio.StreamReader, idle_s: float | None) -> Request:
    async with asyncio.timeout(idle_s):
        begun = await reader.readexactly(1)
    head = begun + await reader.readuntil(b"\r\n\r\n")
    line, _, fields = head.partition(b"\r\n")
    method, target, _ = line.decode().split(" ")
    headers = {name.lower(): value for name, value in BytesParser().parsebytes(fields, headersonly=True).items()}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    return Request(method, parts.path, parse_qs(parts.query), headers, body)


def _json(status: int, body: Body) -> Answer:
    return Answer(status, json.dumps(body).encode(), (("Content-Type", "application/json"),))


def _encoded(answer: Answer) -> bytes:
    headers = [*answer.headers, ("Content-Length", str(len(answer.body)))]
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    phrase = HTTPStatus(answer.status).phrase
    return f"HTTP/1.1 {answer.status} {phrase}\r\n{lines}\r\n".encode() + answer.body


async def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--dimension", type=int, default=256)
    parser.add_argument("--latency", type=float, default=0.0)
    arguments = parser.parse_args()
    async with pinecone_server(dimension=arguments.dimension) as server:
        server.latency_s = arguments.latency
        print(server.url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_main())
