"""How many answers one process tells at once."""

import asyncio
import http.client
from contextlib import closing
from pathlib import Path

import orjson

from tests.contracts.redis_server import RedisServer
from tests.delivery.conformance.nodes import node
from tests.delivery.conformance.scenarios import playing
from tests.delivery.conformance.server import Server, holds, serving

PLACES = 72
ASKED = 80
"""More than 64, which a process tells when nothing else is said to it."""


async def test_a_process_tells_as_many_answers_as_it_is_told(redis: RedisServer, tmp_path: Path) -> None:
    """CHATSERVER_MAX_ANSWERS at once, each of them moving, the rest queued; one that ends makes place for the next."""
    server = node(redis.url, tmp_path / "node", CHATSERVER_MAX_ANSWERS=str(PLACES))
    with serving(server):
        async with playing(server.target(), "places") as play:
            client = await play.connected()
            question, chat = play.target.question(2_000, 200), play.chat()
            asked = [await client.ask(question, chat=chat) for _ in range(ASKED)]
            for answer in asked[:PLACES]:
                await client.until(answer, 8)
            running = await asyncio.to_thread(_inflight, server)
            assert len(running) == PLACES
            assert all(running[answer] > 8 for answer in asked[:PLACES])
            assert set(asked[PLACES:]).isdisjoint(running)
            for answer in asked[: ASKED - PLACES]:
                await client.send("stop", answer=answer)
            for answer in asked[PLACES:]:
                await client.until(answer, 2)
            for answer in asked[ASKED - PLACES :]:
                await client.send("stop", answer=answer)
                await client.ended(answer)
            await holds(play, server)


def _inflight(server: Server) -> dict[str, int]:
    """Answer to its entries, as the process tells them now."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        connection.request("GET", "/v1/inflight")
        told = orjson.loads(connection.getresponse().read())
    return {each["answer"]: each["head"] for each in told["generations"]}
