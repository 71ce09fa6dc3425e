"""How long answers stay: by their number in a chat, by time after their end, and what a late reader of them is told."""

import pytest

from chatserver.answers.redis import RedisAnswerLog
from chatserver.answers.redis_index import Retention
from chatserver.answers.states import AnswerState
from tests.answers.redis.conftest import Opener
from tests.contracts.answer_logs import LEASE_S, batch, begun, question, read_all
from tests.contracts.redis_server import RedisServer
from tests.eventually import eventually


async def test_a_chat_keeps_its_newest_answers(redis: RedisServer, open_log: Opener) -> None:
    """The oldest goes with its entries; another chat loses nothing; a reader of it is told that there is none."""
    log = await open_log(retention=Retention(answers=2))
    await log.create(question("other", chat="c2"))
    for n in range(4):
        claim = await begun(log, f"a{n}")
        await log.append(claim, batch(0, 2, seal=AnswerState.COMPLETED), LEASE_S)
    assert [meta.answer for meta in await log.chat("ada", "c1")] == ["a2", "a3"]
    assert [meta.answer for meta in await log.chat("ada", "c2")] == ["other"]
    assert await log.meta("a0") is None
    assert await read_all(log, "a0") == []
    assert redis.says("EXISTS", "cs:{a:a0}", "cs:{a:a0}:e") == "0"


async def test_an_ended_answer_goes_when_its_time_is_over(redis: RedisServer, open_log: Opener) -> None:
    """Meta and entries together, and its chat is empty then; what is not ended stays."""
    log = await open_log(retention=Retention(seconds=1.0))
    ended, running = await begun(log, "ended", entries=2), await begun(log, "running", entries=2)
    await log.append(ended, batch(2, 1, seal=AnswerState.COMPLETED), LEASE_S)
    assert 0 < int(redis.says("PTTL", "cs:{a:ended}")) <= 1000
    assert abs(int(redis.says("PTTL", "cs:{a:ended}")) - int(redis.says("PTTL", "cs:{a:ended}:e"))) < 500
    await eventually(lambda: redis.says("EXISTS", "cs:{a:ended}", "cs:{a:ended}:e") == "0", within_s=30)
    assert await log.meta("ended") is None
    assert await read_all(log, "ended") == []
    assert redis.says("PTTL", "cs:{a:running}") == "-1"
    await log.append(running, batch(2, 1), LEASE_S)
    assert len(await read_all(log, "running")) == 3


async def test_a_chat_whose_title_went_first_is_listed(redis: RedisServer, log: RedisAnswerLog) -> None:
    """A user's keys do not go at once: not in an erasure (it may be cut off), not at the end of their time."""
    await log.create(question("a1"))
    assert redis.says("DEL", "cs:{u:3:ada}:titles") == "1"
    assert [(chat.chat, chat.title) for chat in await log.chats("ada", 10)] == [("c1", "")]
    assert await log.erase("ada") == ["a1"]
    assert await log.chats("ada", 10) == []


async def test_a_compacted_answer_is_kept_as_long(
    redis: RedisServer, open_log: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one value takes over the time that its batches had left."""
    monkeypatch.setattr("chatserver.answers.redis_restore.REMEMBER_S", 0.0)
    monkeypatch.setattr("chatserver.answers.redis_restore._SWEEP_S", 0.01)
    log = await open_log(retention=Retention(seconds=100.0))
    claim = await begun(log, entries=3)
    await log.append(claim, batch(3, 1), LEASE_S)
    await log.append(claim, batch(4, 1, seal=AnswerState.COMPLETED), LEASE_S)
    await eventually(lambda: redis.says("XLEN", "cs:{a:a1}:e") == "1", within_s=30)
    assert 0 < int(redis.says("PTTL", "cs:{a:a1}:e")) <= 100_000
    assert len(await read_all(log)) == 5
