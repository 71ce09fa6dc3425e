"""Stopping servers: they finish what they can, hand over what they can't, and end in time, whoever does not read."""

import asyncio
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.delivery.conformance.judge import Judge, Refused
from tests.delivery.conformance.proxy import proxy
from tests.delivery.conformance.scenarios import playing
from tests.delivery.conformance.server import DOOMED, QUICK_LOGS, WAYS, Server, holds, serving
from tests.eventually import eventually

GRACE_S = 3.0
"""The promise: a server ends within its budget and this. A busy machine gets `SLACK_S` more."""
SLACK_S = 10.0


def every_way(*quick: str) -> pytest.MarkDecorator:
    """Every way to serve; those that are not `quick` ones only when all is tested."""
    ways = [way for way in WAYS if way != "hooked"]
    return pytest.mark.parametrize(
        "way", [pytest.param(way, marks=() if way in quick else pytest.mark.slow) for way in ways]
    )


@pytest.fixture(params=QUICK_LOGS)
def log(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def takes_no_connection(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    return False


async def seconds_to_end(server: Server, budget_s: float) -> float:
    """From now on; fails when the server does not end in time."""
    began = time.monotonic()
    await eventually(server.has_ended, within_s=budget_s + GRACE_S + SLACK_S + 10)
    return time.monotonic() - began


@every_way("serve")
async def test_answers_end_within_the_budget(data: Path, log: str, way: str) -> None:
    """On SIGTERM the clients are told, the answers under way are told to their end in the same process, questions are
    refused with a time to come back, and only then the connections close with 1012. `chatserver serve` takes no new
    connection from the first moment on, so that a proxy goes to another node."""
    with serving(Server(data, way, log, {"CHATSERVER_DRAIN_S": "20"})) as server:
        async with playing(server.target(), "drain") as play:
            clients = [(await play.asks(200, 20, f" {n}"))[0] for n in range(3)]
            for client in clients:
                await client.entries(5)
            server.signal(signal.SIGTERM)
            for client in clients:
                assert (await client.next("draining"))["retry_after_ms"] > 0
            if way.startswith("serve"):
                await eventually(lambda: takes_no_connection(server.port), within_s=SLACK_S)
            with pytest.raises(Refused) as refused:
                await clients[0].ask(play.target.question(1), chat=play.chat(), id="refused")
            assert refused.value.code == "draining"
            assert refused.value.retry_after_s > 0
            clients[0].pending.clear()
            assert [await client.closed() for client in clients] == [1012, 1012, 1012]
            assert all(client.journal.got("end")[0]["state"] == "completed" for client in clients)
            assert await seconds_to_end(server, 0) < GRACE_S + SLACK_S
            with serving(Server(data, "uvicorn", log)) as again:
                report = await holds(play, again)
    assert report.counts["takeovers"] == 0


@every_way("uvicorn")
async def test_the_budget_is_exceeded(data: Path, log: str, way: str) -> None:
    """An answer that does not end within the budget is handed over: the server ends in time, and the next process
    withdraws the half-told step and tells it again."""
    with serving(Server(data, way, log, {"CHATSERVER_DRAIN_S": "0.5"})) as server:
        async with playing(server.target(), "handed over") as play:
            client, chat, answer = await play.asks(200, 20)
            await client.until(answer, 20)
            server.signal(signal.SIGTERM)
            assert await client.closed() == 1012
            assert await seconds_to_end(server, 0.5) < 0.5 + GRACE_S + SLACK_S
            with serving(Server(data, "uvicorn", log, port=server.port)) as again:
                await client.finish(chat)
                report = await holds(play, again)
    assert report.counts["takeovers"] == 1


async def test_a_sibling_goes_on_at_once(data: Path, log: str) -> None:
    """What a draining process hands over is taken by a sibling without waiting for a lease to expire."""
    settings = {"CHATSERVER_DRAIN_S": "0.2", "CHATSERVER_LEASE_S": "60"}
    first, second = (Server(data, "uvicorn", log, settings) for _ in range(2))
    with serving(first), serving(second):
        async with playing(first.target(), "sibling") as play:
            client, chat, answer = await play.asks(200, 20)
            await client.until(answer, 20)
            owner, other = (first, second) if first.owner(answer) == first.pid else (second, first)
            owner.signal(signal.SIGTERM)
            await eventually(lambda: other.owner(answer) == other.pid, within_s=30)
            client.cut()
            client.target = other.target()
            await client.finish(chat)
            report = await holds(play, other)
    assert report.counts["takeovers"] == 1


@pytest.mark.slow
async def test_questions_during_a_drain(data: Path, log: str) -> None:
    """Every question that is asked around a drain is answered once, whether it was accepted before, refused, or lost
    with its connection."""
    with serving(Server(data, "serve", log, {"CHATSERVER_DRAIN_S": "1"})) as server:
        async with playing(server.target(), "around a drain") as play:

            async def keep_asking(client: Judge) -> None:
                chat = play.chat(client.journal.client)
                for n in range(30):
                    id = f"{chat}-{n}"
                    client.pending[id] = {"id": id, "chat": chat, "text": play.target.question(5, 5)}
                    await client.send_if_connected("ask", **client.pending[id])
                    await asyncio.sleep(0.05)
                await client.finish(chat)

            clients = [await play.connected(f" {n}") for n in range(4)]
            asking = [asyncio.create_task(keep_asking(client)) for client in clients]
            await asyncio.sleep(0.4)
            server.signal(signal.SIGTERM)
            await eventually(server.has_ended, within_s=20)
            with serving(Server(data, "uvicorn", log, port=server.port)) as again:
                await asyncio.gather(*asking)
                report = await holds(play, again)
    assert report.counts["answers"] == 4 * 30


@every_way("uvicorn")
async def test_a_stalled_reader_does_not_hold_the_server(data: Path, log: str, way: str) -> None:
    """A client that has stopped reading, with megabytes on their way to it, does not keep a server from ending within
    its budget and grace, and loses nothing."""
    with serving(Server(data, way, log, {"CHATSERVER_DRAIN_S": "1"})) as server:
        async with proxy(server.port) as network, playing(server.target(), "stalled") as play:
            network.receive_buffer = 16_384
            client, chat = play.judge(), play.chat()
            await client.connect(network.url)
            answer = await client.ask("/script tokens=300 size=50000", chat=chat)
            await client.entries(3)
            network.stall()
            other = await play.connected(" other")
            await other.resume(chat)
            await other.until(answer, 200)
            server.signal(signal.SIGTERM)
            took_s = await seconds_to_end(server, 1)
            network.flow()
            client.cut()
            assert await other.closed() == 1012
            assert took_s < 1 + GRACE_S + SLACK_S
            with serving(Server(data, "uvicorn", log, port=server.port)) as again:
                await client.finish(chat)
                await other.finish(chat)
                await holds(play, again)


@every_way()
async def test_a_second_interrupt_forces(data: Path, log: str, way: str) -> None:
    """Ctrl-C twice ends a server now, in the middle of its drain; its answers are finished by the next one."""
    with serving(Server(data, way, log, {**DOOMED, "CHATSERVER_DRAIN_S": "60"}, may_fail=True)) as server:
        async with playing(server.target(), "forced") as play:
            client, chat, answer = await play.asks(80, 20)
            await client.until(answer, 20)
            server.signal(signal.SIGINT)
            await client.next("draining")
            server.signal(signal.SIGINT)
            assert await seconds_to_end(server, 0) < 1 + SLACK_S
            assert "after sending" not in server.printed()
            await eventually(lambda: not server.processes(), within_s=SLACK_S)
            await client.closed()
            with serving(Server(data, "uvicorn", log, port=server.port)) as again:
                await client.finish(chat)
                await holds(play, again)
