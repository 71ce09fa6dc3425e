"""What a node does with a Redis that newer nodes have used, or that is too old itself."""

import asyncio

import orjson
import pytest

from chatserver.answers.log import LogError, LogUnavailable
from chatserver.answers.redis import RedisAnswerLog
from chatserver.answers.redis_format import FORMAT, FORMAT_KEY
from chatserver.answers.redis_report import describe
from tests.answers.redis.conftest import Opener
from tests.answers.redis.old_redis import old_redis
from tests.contracts.answer_logs import LEASE_S, batch, begun, entry, read_all
from tests.contracts.redis_server import RedisServer
from tests.eventually import eventually


async def test_the_format_is_kept(log: RedisAnswerLog, redis: RedisServer) -> None:
    """The first node writes down which format it uses."""
    assert redis.says("GET", FORMAT_KEY) == str(FORMAT)


async def test_an_older_format_is_raised(open_log: Opener, redis: RedisServer) -> None:
    """A node that comes after an older one says what it uses from now on."""
    redis.says("SET", FORMAT_KEY, str(FORMAT - 1))
    await open_log()
    assert redis.says("GET", FORMAT_KEY) == str(FORMAT)


async def test_a_newer_format_is_not_touched(redis: RedisServer) -> None:
    """A node that does not know the format does not begin, says why, and leaves nothing behind."""
    before = asyncio.all_tasks()
    redis.says("SET", FORMAT_KEY, str(FORMAT + 1))
    with pytest.raises(LogError, match=f"format {FORMAT + 1}; this version knows {FORMAT}"):
        await RedisAnswerLog.open(redis.url)
    assert asyncio.all_tasks() == before
    assert redis.says("DBSIZE") == "1"


async def test_what_a_newer_node_adds_is_left_alone(
    log: RedisAnswerLog, other: RedisAnswerLog, redis: RedisServer
) -> None:
    """Fields of an answer and values of its question that this version does not know change nothing, and stay."""
    claim = await begun(log, entries=1)
    question = orjson.loads(redis.says("HGET", "cs:{a:a1}", "q"))
    redis.says("HSET", "cs:{a:a1}", "newer", "1", "q", orjson.dumps([*question, {"newer": True}]).decode())
    await log.append(claim, batch(1, 1), LEASE_S)
    meta = await other.meta("a1")
    assert meta is not None
    assert (meta.head, meta.question.text) == (2, question[4])
    assert await read_all(other) == [entry(0), entry(1)]
    assert redis.says("HGET", "cs:{a:a1}", "newer") == "1"


async def test_a_redis_that_is_too_old_is_refused() -> None:
    """By what starts and by `check`, in words and for good; nothing is written, and no task and no connection stays."""
    before = asyncio.all_tasks()
    async with old_redis() as old:
        for asked in (RedisAnswerLog.open, describe):
            with pytest.raises(LogError, match=r"Redis 6\.2\.14 is too old: 7\.0") as refused:
                await asked(old.url)
            assert not isinstance(refused.value, LogUnavailable), "trying again does not help"
        assert set(old.told) == {"CLIENT", "PING", "EXISTS", "INFO"}
        await eventually(lambda: asyncio.all_tasks() <= before)
