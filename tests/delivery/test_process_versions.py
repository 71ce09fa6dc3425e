"""Two nodes of different versions on one Redis, as they are while an update rolls through.

The older one is an earlier commit of this repository: the last before jobs came to lie in the answer log beside answers
(in its index and scripts), before answers with their asker's own key, and before Redis Cluster. So what the format
promises is tried on a node that does not know what newer ones write. When it no longer runs on what is installed, or
when `chatserver.answers.redis_format.FORMAT` has changed, `EARLIER` moves to a later commit.
"""

import asyncio
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from tests.contracts.redis_server import RedisServer
from tests.delivery.conformance.nodes import all_serving, generation, node, told_by
from tests.delivery.conformance.scenarios import playing
from tests.delivery.conformance.server import ROOT, Server, holds
from tests.eventually import eventually

EARLIER = "86b016c"
SOON_S = 60.0


def git(*arguments: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=False)


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source tree of the earlier commit."""
    packages = ("chatserver", "retrieval", "graph", "prompts")
    packed = git("archive", "--format=tar", EARLIER, *packages)
    if packed.returncode:
        assert git("rev-parse", "--is-shallow-repository").stdout.strip() != b"false", packed.stderr.decode()
        pytest.skip("this is no clone of the repository with its history")
    tree = tmp_path_factory.mktemp("earlier")
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:
        archive.extractall(tree, filter="data")
    return tree


def older(redis: RedisServer, directory: Path, tree: Path) -> Server:
    server = node(redis.url, directory)
    server.directory = tree
    return server


@pytest.fixture
def both(redis: RedisServer, earlier: Path, tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    """The older node and the newer one."""
    old, new = older(redis, tmp_path / "old", earlier), node(redis.url, tmp_path / "new")
    with all_serving([old, new]):
        yield old, new


async def test_each_reads_and_stops_what_the_other_tells(both: tuple[Server, Server], redis: RedisServer) -> None:
    """A question asked at either is read at the other while it is answered, and stopped from there."""
    for asked, elsewhere in (both, both[::-1]):
        async with playing(asked.target(), "side by side") as play:
            client, chat, answer = await told_by(redis, asked, play, 100_000, 5)
            reader = play.judge(" elsewhere", target=elsewhere.target())
            await reader.come_back(chat)
            await asyncio.gather(client.entries(20), reader.entries(20))
            await reader.send("stop", answer=answer)
            await asyncio.gather(client.ended(answer), reader.ended(answer))
            assert client.journal.got("end")[-1]["state"] == "stopped"
            await holds(play, asked)
            await holds(play, elsewhere)


@pytest.mark.slow
@pytest.mark.parametrize("older_leaves", [True, False], ids=["the older one", "the newer one"])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=lambda how: how.name)
async def test_each_goes_on_with_what_the_other_leaves(
    both: tuple[Server, Server], redis: RedisServer, how: signal.Signals, older_leaves: bool
) -> None:
    """An answer of either version is handed over, or taken over, and told to its end by the other."""
    leaves, stays = both if older_leaves else both[::-1]
    async with playing(leaves.target(), "leaves") as play:
        client, chat, answer = await told_by(redis, leaves, play, 500, 20)
        await client.until(answer, 20)
        leaves.signal(how)
        await eventually(lambda: generation(redis, answer) == 2, within_s=SOON_S)
        client.target = stays.target()
        await client.finish(chat)
        report = await holds(play, stays)
    assert report.counts["takeovers"] == 1
