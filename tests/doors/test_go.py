"""The client in Go, written from `PROTOCOL.md`, through what breaks connections: every entry once and in order."""

import asyncio
import json
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from chatserver.models.scripted import parse_script
from tests.delivery.conformance.grammar import faults_of, text_of
from tests.delivery.conformance.proxy import proxy
from tests.page.programs import lacking
from tests.page.server import Server

CLIENT = Path(__file__).parents[2] / "clients" / "go" / "chat-v1"
QUESTION = "/script tokens=60 delay_ms=10"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if not CLIENT.is_file():
        lacking("the client that `make go` builds")
    running = Server(tmp_path_factory.mktemp("go") / "data", "scripted")
    yield running
    running.end()


class Asking:
    """The client's process, and what it has printed."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []

    @classmethod
    async def start(cls, port: int, question: str = QUESTION, *, id: str = "") -> "Asking":
        name = id or uuid4().hex
        place = f"127.0.0.1:{port}"
        return cls(await asyncio.create_subprocess_exec(CLIENT, place, name, name, question, stdout=PIPE, stderr=PIPE))

    async def entries(self) -> AsyncIterator[dict[str, Any]]:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(json.loads(line))
            yield self.lines[-1]

    async def until(self, seq: int) -> None:
        async for entry in self.entries():
            if entry["seq"] >= seq:
                return

    async def whole(self) -> None:
        """Reads to the end and holds it to what it has promised."""
        async for _ in self.entries():
            pass
        assert await self.process.wait() == 0
        assert [line["seq"] for line in self.lines] == list(range(len(self.lines)))
        chunks = [line["chunk"] for line in self.lines]
        assert list(faults_of(chunks, "completed")) == []
        assert text_of(chunks) == parse_script(QUESTION).text()


async def test_an_answer_alone(server: Server) -> None:
    """Nothing breaks."""
    await (await Asking.start(server.port)).whole()


@pytest.mark.parametrize("after", [pytest.param(1511, marks=pytest.mark.slow), 1737])
async def test_a_connection_that_is_cut_again_and_again(server: Server, after: int) -> None:
    """Each one ends in the middle of a frame a few entries further, and the next goes on from there."""
    async with proxy(server.port) as network:
        network.reset_after = after
        await (await Asking.start(network.port)).whole()


async def test_a_client_that_lost_everything(server: Server) -> None:
    """The same question under the same id, by another process while the first one's answer is told, and once more when
    all is over."""
    first = await Asking.start(server.port, id="lost")
    await first.until(20)
    first.process.kill()
    await first.process.wait()
    for _ in range(2):
        again = await Asking.start(server.port, id="lost")
        await again.whole()


async def test_offline_while_the_answer_ends(server: Server) -> None:
    """The network is back when all is over."""
    async with proxy(server.port) as network:
        client = await Asking.start(network.port, id="offline")
        await client.until(10)
        network.redirect(9)
        watching = await Asking.start(server.port, id="offline")
        await watching.whole()
        network.redirect(server.port)
        await client.whole()


@pytest.mark.parametrize("how", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
async def test_a_server_that_is_replaced(server: Server, how: signal.Signals) -> None:
    """Killed, or drained: the next process finishes the answer."""
    client = await Asking.start(server.port)
    await client.until(20)
    await asyncio.to_thread(server.end, how)
    await asyncio.to_thread(server.start)
    await client.whole()


async def test_a_refusal_is_told(server: Server) -> None:
    """By its code, and the client ends with 1."""
    client = await Asking.start(server.port, "  ")
    _, told = await client.process.communicate()
    assert client.process.returncode == 1
    assert told.startswith(b"empty_question")


def test_it_stays_small() -> None:
    """Under 100 lines, comments included: what the protocol asks of a client is no more."""
    assert len((CLIENT.parent / "main.go").read_text("utf-8").splitlines()) < 100
