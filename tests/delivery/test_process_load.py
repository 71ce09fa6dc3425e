"""Servers whose peers do not read, whose disk is full, whose entries are huge, and whose clients come and go."""

import asyncio
import resource
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.delivery.conformance.judge import Refused
from tests.delivery.conformance.proxy import proxy
from tests.delivery.conformance.scenarios import Play, playing
from tests.delivery.conformance.server import QUICK_LOGS, Server, holds, serving
from tests.eventually import eventually

STALL_S = 2.0


@pytest.fixture(scope="module", params=QUICK_LOGS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {"CHATSERVER_STALL_S": str(STALL_S)}
    with serving(Server(tmp_path_factory.mktemp("load") / "data", "serve", request.param, settings)) as server:
        yield server


def worker(server: Server) -> psutil.Process:
    (process,) = psutil.Process(server.pid).children()
    return process


def drops(server: Server) -> int:
    return server.printed().count("slow consumer dropped")


async def test_stalled_reader(server: Server) -> None:
    """A client that stops reading loses its connection, 4408 if it still reads that, and reads on from the log; another
    reader of the same answer is not held up."""
    async with proxy(server.port) as network, playing(server.target(), "stalled reader") as play:
        network.receive_buffer = 16_384
        client, chat = play.judge(" stalled"), play.chat()
        await client.connect(network.url)
        answer = await client.ask("/script tokens=200 size=50000 delay_ms=5", chat=chat)
        await client.entries(3)
        network.stall()
        other = await play.connected(" other")
        await other.resume(chat)
        await other.ended()
        await eventually(lambda: drops(server), within_s=STALL_S + 60)
        network.flow()
        assert await client.closed() in {4408, 1006}
        assert client.answers[answer].seq < other.answers[answer].seq
        await client.finish(chat)
        report = await holds(play, server)
    assert report.counts["takeovers"] == 0


@pytest.mark.slow
async def test_memory_with_stalled_readers(server: Server) -> None:
    """Forty readers that stall in an answer of 10 MB do not cost forty answers' memory."""
    async with proxy(server.port) as network, playing(server.target(), "stalled readers") as play:
        network.receive_buffer = 16_384
        source, chat, answer = await play.asks(1, 0)
        answer = await source.ask("/script tokens=200 size=50000", chat=chat)
        await source.ended(answer)
        before = worker(server).memory_info().rss
        stalled = [play.judge(f" {n}", complete=False) for n in range(40)]
        for client in stalled:
            await client.connect(network.url)
        network.stop_reading()
        dropped = drops(server)
        for client in stalled:
            await client.send("resume", chat=chat, cursors=[{"answer": answer, "epoch": "none", "seq": -1}])
        await asyncio.sleep(STALL_S / 2)
        grown = worker(server).memory_info().rss - before
        await (await play.asks(12, 0, " meanwhile"))[0].ended()
        await eventually(lambda: drops(server) - dropped == 40, within_s=STALL_S + 20)
        network.reset()
        network.flow()
        for client in stalled:
            await client.closed()
        await holds(play, server)
    assert grown < 100 << 20, f"{grown >> 20} MiB for 40 readers"


async def test_an_entry_of_a_megabyte(server: Server) -> None:
    """Entries of 1 MB are told like any other, live, replayed, and through a cut."""
    async with playing(server.target(), "1 MB") as play:
        client, chat = await play.connected(), play.chat()
        answer = await client.ask("/script tokens=4 size=1000000 delay_ms=5", chat=chat)
        await client.until(answer, 9)
        client.cut()
        other = await play.connected(" other tab")
        await other.resume(chat)
        await asyncio.gather(client.finish(chat), other.ended())
        await holds(play, server)


async def test_disk_full(server: Server) -> None:
    """While nothing can be written, questions are refused with a time to come back and the answer under way waits; when
    there is room again it goes on where it was, and nothing is lost."""
    if server.log == "redis":
        pytest.skip("it is Redis that is full then: tests/answers/redis/test_link.py")
    async with playing(server.target(), "disk full") as play:
        client, chat, answer = await play.asks(150, 10)
        await client.until(answer, 20)
        process = worker(server)
        written = sum(file.stat().st_size for file in server.data.glob("answers.db*"))
        process.rlimit(resource.RLIMIT_FSIZE, (min(written, 4096), resource.RLIM_INFINITY))
        try:
            other = await play.connected(" refused")
            with pytest.raises(Refused) as refused:
                await other.ask(play.target.question(12), chat=play.chat("refused"), id=play.chat("id"))
            assert refused.value.code == "unavailable"
            assert refused.value.retry_after_s > 0
            await asyncio.sleep(0.5)  # the answer under way meets the full disk, too
        finally:
            process.rlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert await other.ask(play.target.question(12), chat=play.chat("refused"), id=play.chat("id"))
        await asyncio.gather(client.finish(chat), other.ended())
        await holds(play, server)


@pytest.mark.slow
async def test_half_open_peers_are_reaped(tmp_path: Path) -> None:
    """A peer that is gone without an end answers no ping: its connection ends, and a living one stays."""
    config = tmp_path / "uvicorn.toml"
    config.write_text("ws_ping_interval = 1.0\nws_ping_timeout = 1.0\n")
    with serving(Server(tmp_path / "data", "serve", arguments=("--config", str(config)))) as server:
        async with proxy(server.port) as network, playing(server.target(), "half-open peers") as play:
            clients = [play.judge(f" {n}") for n in range(5)]
            for client in clients:
                await client.connect(network.url)
            alive = await play.connected(" alive")
            before = await settled_descriptors(worker(server))
            network.forget()
            await asyncio.sleep(4)
            assert await settled_descriptors(worker(server)) == before - 5
            await alive.settled()


async def churn(play: Play, turns: int) -> None:
    """Clients that connect, ask or resume, and leave in one of several ways."""

    async def visit(n: int) -> None:
        client, chat = await play.connected(f" {len(play.judges)}", complete=False), play.chat(n % 20)
        await client.ask(play.target.question(5, n % 3), chat=chat)
        if n % 2:
            await client.resume(chat)
        match n % 3:
            case 0:
                client.cut()
            case 1:
                await client.close()
            case _:
                await client.ended()
                await client.close()

    for first in range(0, turns, 10):
        await asyncio.gather(*(visit(n) for n in range(first, first + 10)))


async def test_churn_leaves_nothing(server: Server) -> None:
    """A hundred clients that come and go leave no descriptor, no thread and no connection behind."""
    async with playing(server.target(), "churn") as play:
        await churn(play, 60)
        process = worker(server)
        before, threads = await settled_descriptors(process), process.num_threads()
        await churn(play, 120)
        await eventually(lambda: process.num_fds() <= before + 2 and process.num_threads() <= threads, within_s=60)
        await holds(play, server)


async def settled_descriptors(process: psutil.Process) -> int:
    """How many are open once the last closed connection has gone."""
    fewest = process.num_fds()
    for _ in range(20):
        await asyncio.sleep(0.05)
        fewest = min(fewest, process.num_fds())
    return fewest


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_storm_of_hundreds(server: Server) -> None:
    """Four hundred clients lose their link at once and all come back to answers that go on."""
    async with proxy(server.port) as network, playing(server.target(), "storm") as play:
        asked = [await play.asks(100_000, 200, f" {n}") for n in range(20)]  # until they are stopped
        readers = [play.judge(f" reader {n}") for n in range(400)]

        async def comes(n: int) -> None:
            await readers[n].connect(network.url)
            _, chat, answer = asked[n % 20]
            await readers[n].resume(chat, [{"answer": answer, "epoch": "none", "seq": -1}])
            await readers[n].entries(5)

        async def comes_back(n: int) -> None:
            _, chat, answer = asked[n % 20]
            seen = readers[n].answers[answer].seq
            while readers[n].answers[answer].seq < seen + 5:
                await readers[n].step(chat)

        async with asyncio.timeout(240):
            await asyncio.gather(*(comes(n) for n in range(400)))
            network.reset()
            await asyncio.gather(*(comes_back(n) for n in range(400)))
            for client, _, answer in asked:
                await client.send("stop", answer=answer)
            clients = [(client, chat) for client, chat, _ in asked] + [
                (readers[n], asked[n % 20][1]) for n in range(400)
            ]
            await asyncio.gather(*(client.finish(chat, within_s=120) for client, chat in clients))
        report = await holds(play, server)
    assert report.counts["cuts"] >= 400
