"""Nodes on one Redis, each with a data directory of its own; and what Redis has of their answers, seen from beside."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.contracts.redis_server import RedisServer
from tests.delivery.conformance.judge import Judge
from tests.delivery.conformance.scenarios import Play
from tests.delivery.conformance.server import Server, serving


def node(url: str, directory: Path, way: str = "uvicorn", host: str = "127.0.0.1", **settings: str) -> Server:
    """`directory` is made, and is this node's alone."""
    directory.mkdir(exist_ok=True)
    given = {"CHATSERVER_REDIS_URL": url, **settings}
    return Server(directory / "data", way, settings=given, host=host)


@contextmanager
def all_serving(nodes: Sequence[Server]) -> Iterator[Sequence[Server]]:
    """They start together."""
    with ExitStack() as stack:
        for server in nodes:
            stack.enter_context(serving(server, ready=False))
        for server in nodes:
            server.wait_ready()
        yield nodes


def generation(redis: RedisServer, answer: str) -> int:
    return int(redis.says("HGET", f"cs:{{a:{answer}}}", "g"))


def owner(redis: RedisServer, answer: str) -> int:
    """The process that tells this answer, or 0."""
    named = redis.says("HGET", f"cs:{{a:{answer}}}", "o")
    return int(named.split("-")[-2]) if named else 0


async def told_by(redis: RedisServer, server: Server, play: Play, tokens: int, delay_ms: int) -> tuple[Judge, str, str]:
    """A client that has asked, and this node tells its answer: else another one was quicker, and it is asked again."""
    for n in range(50):
        client, chat, answer = await play.asks(tokens, delay_ms, f" {len(play.judges)}, try {n}")
        await client.entries(1)
        if owner(redis, answer) == server.pid:
            return client, chat, answer
        await client.send("stop", answer=answer)
        await client.ended(answer)
        await client.close()
    raise AssertionError("the node never tells an answer itself")
