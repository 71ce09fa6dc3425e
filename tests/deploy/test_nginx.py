"""Two nodes behind a real nginx, with the configuration that is shipped."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.contracts.redis_server import RedisServer, redis_server
from tests.delivery.conformance.judge import Target
from tests.delivery.conformance.scenarios import playing
from tests.delivery.conformance.server import Server, holds, owners_in, scripted_question, serving
from tests.delivery.test_process_rolling import loaded, restart, restarts_met
from tests.deploy.nginx import nginx

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True, slots=True)
class Site:
    """Two nodes on one Redis, and nginx before them."""

    nodes: list[Server]
    redis: RedisServer
    port: int
    access_log: Path

    def target(self) -> Target:
        return Target(f"ws://127.0.0.1:{self.port}/ws", scripted_question)

    def teller(self, answer: str) -> Server:
        """The node that tells this answer."""
        _, owner = owners_in(self.redis)[answer]
        return next(
            node for node in self.nodes if any(f"-{process.pid}-" in str(owner) for process in node.processes())
        )

    def handshakes(self) -> Counter[str]:
        """What became of every WebSocket that a client wanted, by status."""
        lines = [line for line in self.access_log.read_text("utf-8").splitlines() if '"GET /ws' in line]
        return Counter(line.split('"')[2].split()[0] for line in lines)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("site")
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server(tmp_path_factory.mktemp("redis")))
        settings = {"CHATSERVER_REDIS_URL": redis.url, "CHATSERVER_DRAIN_S": "1", "CHATSERVER_LEASE_S": "3"}
        nodes = [Server(directory / str(n) / "data", "serve", settings=settings) for n in range(2)]
        for node in nodes:
            node.data.parent.mkdir()
            stack.enter_context(serving(node, ready=False))
        for node in nodes:
            node.wait_ready()
        port = stack.enter_context(nginx(directory, [node.port for node in nodes]))
        yield Site(nodes, redis, port, directory / "access.log")


async def test_the_page_and_a_question(site: Site) -> None:
    """Through nginx the page is served, a WebSocket opens, and an answer comes as it is told."""
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
        page = await http.get(f"http://127.0.0.1:{site.port}/")
    assert (page.status_code, page.headers["content-type"].split(";")[0]) == (200, "text/html")
    async with playing(site.target(), "nginx") as play:
        client, chat, _ = await play.asks(20, 5)
        await client.finish(chat)
        await holds(play, site.nodes[0])


async def test_the_other_node_goes_on(site: Site) -> None:
    """When the node that tells an answer is killed, the client comes back through nginx, to the other node, and reads
    the answer to its end."""
    async with playing(site.target(), "killed") as play:
        client, chat, answer = await play.asks(100, 20)
        await client.until(answer, 20)
        teller = site.teller(answer)
        teller.kill()
        await client.finish(chat, within_s=90.0)
        teller.start().wait_ready()
        report = await holds(play, site.nodes[0])
    assert report.counts["takeovers"] >= 1


async def test_a_rolling_restart(site: Site) -> None:
    """Each node in turn is told to end while it tells answers, and nginx is told nothing: no answer is lost or told
    twice, and no connection refused."""
    before = site.handshakes()
    async with playing(site.target(), "rolling") as play:
        async with loaded(play) as load:
            for node in site.nodes:
                await restart(node)
        report = await holds(play, site.nodes[0])
    assert report.counts["answers"] == sum(len(client.accepted) for client in play.judges)
    assert restarts_met(load.tabs) >= 1, "somebody was there when a node ended"
    assert set(site.handshakes() - before) <= {"101", "499"}, "499: the client itself went away"
