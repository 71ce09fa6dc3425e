"""A cluster of three masters: none of them alone can hold the log, and each says so at the start."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from chatserver.answers.log import LogError, LogUnavailable
from chatserver.answers.redis import RedisAnswerLog
from chatserver.answers.redis_keys import meta_key
from chatserver.answers.redis_report import describe
from tests.answers.redis.conftest import Opener
from tests.contracts.answer_logs import begun, question
from tests.contracts.redis_server import RedisServer, redis_server
from tests.delivery.conformance.server import free_port
from tests.eventually import eventually

SLOTS = ((0, 5460), (5461, 10922), (10923, 16383))
ADVICE = r"shard of a cluster.*CHATSERVER_REDIS_URL"


@pytest.fixture
def masters(tmp_path: Path) -> Iterator[list[RedisServer]]:
    """They don't know each other yet."""
    with ExitStack() as stack:
        started = []
        for n in range(len(SLOTS)):
            directory = tmp_path / str(n)
            directory.mkdir()
            options = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
            started.append(stack.enter_context(redis_server(directory, *options, port=free_port())))
        yield started


async def test_a_shard_is_refused_at_the_start(masters: list[RedisServer]) -> None:
    """At every master, by what starts and by `check`, in words that name the setting; nothing is written."""
    await _join(masters, SLOTS)
    for master in masters:
        with pytest.raises(LogError, match=ADVICE) as refused:
            await RedisAnswerLog.open(master.url)
        assert not isinstance(refused.value, LogUnavailable), "trying again does not help"
        with pytest.raises(LogError, match=ADVICE):
            await describe(master.url)
    assert [master.says("DBSIZE") for master in masters] == ["0", "0", "0"]


async def test_one_with_every_slot_will_do(masters: list[RedisServer], open_log: Opener) -> None:
    """A cluster of one master; when its slots move away later, what lies there is refused and nothing is half made."""
    first, second, _ = masters
    await _join([first, second], [(0, 16383)])
    log = await open_log(first.url)
    await begun(log, entries=2)
    slot = first.says("CLUSTER", "KEYSLOT", meta_key("moved"))
    owner = second.says("CLUSTER", "MYID")
    for each in (second, first):
        each.says("CLUSTER", "SETSLOT", slot, "NODE", owner)
    with pytest.raises(LogUnavailable, match="MOVED"):
        await log.create(question("moved"))
    assert await log.meta("a1") is not None
    assert second.says("DBSIZE") == "0"


async def _join(masters: list[RedisServer], slots: "list[tuple[int, int]] | tuple[tuple[int, int], ...]") -> None:
    for master, (first, last) in zip(masters, slots, strict=False):
        master.says("CLUSTER", "ADDSLOTSRANGE", str(first), str(last))
    for epoch, master in enumerate(masters, 1):
        master.says("CLUSTER", "SET-CONFIG-EPOCH", str(epoch))
        masters[0].says("CLUSTER", "MEET", "127.0.0.1", str(master.port), _bus(master))
    for master in masters:
        await eventually(lambda each=master: _knows(each, len(masters)), within_s=30)  # type: ignore[misc]


def _bus(master: RedisServer) -> str:
    return master.options[master.options.index("--cluster-port") + 1]


def _knows(master: RedisServer, others: int) -> bool:
    info = master.says("CLUSTER", "INFO")
    return "cluster_state:ok" in info and f"cluster_known_nodes:{others}" in info
