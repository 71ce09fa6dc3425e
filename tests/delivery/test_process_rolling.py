"""A rolling restart of three nodes under load, behind one address: nobody notices."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chatserver.client import Client
from tests.contracts.redis_server import RedisServer
from tests.delivery.conformance.front import Front, front
from tests.delivery.conformance.judge import Judge, Target
from tests.delivery.conformance.scenarios import Play, playing
from tests.delivery.conformance.server import Server, holds, scripted_question, scripted_text, serving
from tests.eventually import eventually

END_S = 90.0
"""Nothing that is waited for takes longer, on a busy machine either."""


@pytest.fixture
def nodes(redis: RedisServer, tmp_path: Path) -> Iterator[list[Server]]:
    settings = {"CHATSERVER_REDIS_URL": redis.url, "CHATSERVER_DRAIN_S": "1"}
    with ExitStack() as stack:
        servers = []
        for n in range(3):
            (tmp_path / str(n)).mkdir()
            servers.append(Server(tmp_path / str(n) / "data", "serve", settings=settings))
            stack.enter_context(serving(servers[-1], ready=False))
        for server in servers:
            server.wait_ready()
        yield servers


@dataclass(slots=True)
class Load:
    """Visitors, who ask a question each on a connection of its own; tabs, which ask one after the other on one
    connection for as long as it lives, answers that are longer than a node has to drain; and people with the Python
    client that we ship, who do the same and see nothing but answers."""

    play: Play
    over: asyncio.Event = field(default_factory=asyncio.Event)
    visitors: list[Judge] = field(default_factory=list)
    tabs: list[Judge] = field(default_factory=list)
    read: int = 0
    """Answers that people have had."""

    async def visits(self, visitor: int) -> None:
        while not self.over.is_set():
            client = self.play.judge(f" visitor {visitor}")
            self.visitors.append(client)
            await self._ask(client, self.play.chat(f"visitor-{visitor}-{len(self.visitors)}"), 20, 10)
            await client.close()

    async def stays(self, reader: int) -> None:
        client, chat = self.play.judge(f" tab {reader}"), self.play.chat(f"tab-{reader}")
        self.tabs.append(client)
        while not self.over.is_set():
            await self._ask(client, chat, 120, 20)

    async def asks(self, person: int) -> None:
        """Raises whatever the client could not deal with by itself, a refused question first of all."""
        url = self.play.target.url.removesuffix("/ws").replace("ws://", "http://")
        chat, question = self.play.chat(f"person-{person}"), self.play.target.question(120, 20)
        async with Client(url, timeout_s=END_S) as client, asyncio.timeout(2 * END_S):
            while not self.over.is_set():
                answer = await client.ask(question, chat=chat).result()
                assert answer.text == scripted_text(question)
                self.read += 1

    async def _ask(self, client: Judge, chat: str, tokens: int, delay_ms: int) -> None:
        """Reads the answer to its end, through as many connections as that takes."""
        ask = {
            "id": f"{chat}-{len(client.accepted)}",
            "chat": chat,
            "text": self.play.target.question(tokens, delay_ms),
        }
        client.pending[ask["id"]] = ask
        await client.send_if_connected("ask", **ask)
        await client.finish(chat, within_s=END_S)


@asynccontextmanager
async def loaded(play: Play, *, visitors: int = 4, tabs: int = 4, people: int = 2) -> AsyncIterator[Load]:
    """The load while the block runs; everything that was asked has been read when it is left."""
    load = Load(play)
    async with asyncio.TaskGroup() as group:
        for n in range(visitors):
            group.create_task(load.visits(n))
        for n in range(tabs):
            group.create_task(load.stays(n))
        for n in range(people):
            group.create_task(load.asks(n))
        await eventually(
            lambda: len(load.visitors) > visitors and all(tab.accepted for tab in load.tabs) and load.read >= people,
            within_s=END_S,
        )
        yield load
        load.over.set()


def put_off(clients: list[Judge]) -> int:
    """How many asks were told to come again."""
    return sum("id" in error for client in clients for error in client.journal.got("error"))


def restarts_met(clients: list[Judge]) -> int:
    closed = [r.frame["code"] for client in clients for r in client.journal.records if r.direction == "closed"]
    return closed.count(1012)


async def restart(server: Server) -> None:
    server.signal(signal.SIGTERM)
    await eventually(server.has_ended, within_s=END_S)
    assert server.wait(0) == 0
    await asyncio.to_thread(lambda: server.start().wait_ready())


async def taken_out(address: Front, server: Server, load: Load) -> None:
    """New connections go elsewhere, and whoever was on the way here has been accepted."""
    address.leave(server.place)
    under_way = [(client, id) for client in load.visitors for id in client.pending]
    await eventually(lambda: all(id not in client.pending for client, id in under_way), within_s=END_S)


@asynccontextmanager
async def behind(nodes: list[Server], name: str) -> AsyncIterator[tuple[Front, Play]]:
    async with (
        front([node.place for node in nodes]) as address,
        playing(Target(address.url, scripted_question), name) as play,
    ):
        yield address, play


@pytest.mark.timeout(300)
@pytest.mark.parametrize("rounds", [1, pytest.param(5, marks=pytest.mark.slow)])
async def test_a_rolling_restart(nodes: list[Server], rounds: int) -> None:
    """Each node in turn is taken out of the front, told to end while it tells answers, and put back: no answer is
    lost or told twice, no connection and no question refused. A tab that asks on a connection which drains already is
    told to ask again in some milliseconds (`draining`, as the protocol allows); the client does so by itself, on its
    next connection, and the person that uses it sees an answer and nothing else."""
    async with behind(nodes, "rolling") as (address, play):
        async with loaded(play) as load:
            for server in nodes * rounds:
                await taken_out(address, server, load)
                await restart(server)
                address.join(server.place)
        report = await holds(play, nodes[0])
    assert (address.refused, put_off(load.visitors)) == (0, 0)
    assert restarts_met(load.tabs) >= 1, "somebody was there when a node ended"
    assert report.counts["answers"] == sum(len(client.accepted) for client in play.judges)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_front_that_is_not_told(nodes: list[Server]) -> None:
    """The front finds out by itself, at the next connection, that a node has begun to end: nothing is lost or told
    twice, no connection is refused, and a question that met the drain is taken when it is asked again."""
    async with behind(nodes, "not told") as (address, play):
        async with loaded(play):
            for server in nodes * 2:
                await restart(server)
        report = await holds(play, nodes[0])
    assert address.refused == 0
    assert report.counts["answers"] == sum(len(client.accepted) for client in play.judges)
