"""Readers on WebSockets of answers in Redis: what they are told of what is kept no longer, what a tab more costs."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from chatserver.answers.redis import RedisAnswerLog
from chatserver.answers.redis_index import Retention
from tests.answers.redis.conftest import Opener
from tests.contracts.redis_server import RedisServer
from tests.delivery.served import System, Tab, cursor, script, served, tab
from tests.eventually import eventually

LENGTH = len(script("", [""] * 6))
BATCHES = 40
TABS = 50

Node: TypeAlias = Callable[..., Awaitable[System]]


@pytest.fixture
async def node(open_log: Opener, tmp_path: Path) -> AsyncIterator[Node]:
    """Serves a log on this Redis, each as of another process."""
    async with AsyncExitStack() as stack:

        async def started(**options: Any) -> System:
            log: RedisAnswerLog = await open_log(**options)
            return await stack.enter_async_context(served(tmp_path, log="memory", wrap=lambda _: log))

        yield started


async def test_a_cursor_of_what_retention_has_dropped(node: Node) -> None:
    """`gone` for the answer that its chat keeps no longer, at once; the next one goes on after its cursor."""
    here, there = await node(retention=Retention(answers=2)), await node()
    async with tab(here) as asker:
        answers = [await _told(asker, "6", id=f"q{n}") for n in range(3)]
    async with tab(there) as reader:
        resumed = await reader.resume(*(cursor(answer, 4) for answer in answers))
        verdicts = {each["answer"]: each["verdict"] for each in resumed["answers"]}
        assert verdicts == dict(zip((each["answer"] for each in answers), ["gone", "resumed", "resumed"], strict=True))
        for answer in answers[1:]:
            await _ended(reader, answer)
            assert [seq for seq, _ in reader.entries(answer["answer"])] == list(range(5, LENGTH))
        assert reader.entries(answers[0]["answer"]) == []


async def test_a_cursor_of_what_is_too_old(node: Node, redis: RedisServer) -> None:
    """`gone` once its time is over, at the node that told it too; a resume without a cursor finds no answer."""
    here, there = await node(retention=Retention(seconds=0.2)), await node()
    async with tab(here) as asker:
        answer = await _told(asker, "6")
        await eventually(lambda: redis.says("EXISTS", f"cs:{{a:{answer['answer']}}}") == "0", within_s=30)
        for system in (here, there):
            async with tab(system) as reader:
                resumed = await reader.resume(cursor(answer, 4))
                assert [each["verdict"] for each in resumed["answers"]] == ["gone"]
                assert (await reader.resume())["answers"] == []


async def test_a_cursor_into_what_is_compacted(node: Node, redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """`resumed`, and exactly the entries after it: compaction takes no position away."""
    monkeypatch.setattr("chatserver.answers.redis_restore.REMEMBER_S", 0.0)
    monkeypatch.setattr("chatserver.answers.redis_restore._SWEEP_S", 0.01)
    here, there = await node(), await node()
    async with tab(here) as asker:
        answer = await _told(asker, "300")
    await eventually(lambda: redis.says("XLEN", f"cs:{{a:{answer['answer']}}}:e") == "1", within_s=30)
    length = len(asker.entries(answer["answer"]))
    for seq in (-1, 0, 150, length - 2, length - 1):
        async with tab(there) as reader:
            (resumed,) = (await reader.resume(cursor(answer, seq)))["answers"]
            assert (resumed["verdict"], resumed["head"]) == ("resumed", length)
            await _ended(reader, answer)
            assert [place for place, _ in reader.entries(answer["answer"])] == list(range(seq + 1, length))


@pytest.mark.parametrize("left", [0, 1])
async def test_a_cursor_into_entries_that_are_gone(node: Node, redis: RedisServer, left: int) -> None:
    """Entries trimmed behind the log's back, all or all but the last batch: the reader is not left waiting, and never
    gets a hole: it is closed with 1012, and told `gone` when it comes back."""
    here, there = await node(), await node()
    async with tab(here) as asker:
        answer = await _told(asker, "300")
    redis.says("XTRIM", f"cs:{{a:{answer['answer']}}}:e", "MAXLEN", str(left))
    verdicts = []
    while "gone" not in verdicts:
        async with tab(there) as reader:
            (resumed,) = (await reader.resume(cursor(answer, 4)))["answers"]
            verdicts.append(resumed["verdict"])
            if verdicts[-1] != "gone":
                assert await reader.closed() == 1012
            assert reader.entries(answer["answer"]) == []
    assert verdicts in (["gone"], ["resumed", "gone"])


@pytest.mark.parametrize("elsewhere", [False, True], ids=["same node", "another node"])
async def test_a_tab_more_costs_redis_nothing(node: Node, redis: RedisServer, elsewhere: bool) -> None:
    """Fifty tabs on a running answer make Redis do what one does, within one command for each batch; a node that tells
    the answer reads nothing for its own tabs; and connections and subscriptions are as many."""
    teller = await node()
    reader = await node() if elsewhere else teller
    if elsewhere:
        await reader.generations.drain(0)  # else it may be the first to claim what the other is asked
    one, many = [await _cost(redis, teller, reader, tabs) for tabs in (1, TABS)]
    for command in ("xrange", "subscribe", "hmget", "evalsha"):
        assert abs(many[command] - one[command]) <= BATCHES, (command, one, many)
    assert bool(one["xrange"]) is elsewhere
    assert many["connected"] == one["connected"]


async def _cost(redis: RedisServer, teller: System, reader: System, tabs: int) -> Counter[str]:
    """What Redis is told, by command, while so many tabs read an answer of `BATCHES` batches."""
    async with AsyncExitStack() as stack:
        asker = await stack.enter_async_context(tab(teller))
        accepted = await asker.ask(f"held {BATCHES + 20}", id=f"tabs-{tabs}", chat=f"tabs-{tabs}")
        opened = [await stack.enter_async_context(tab(reader)) for _ in range(tabs)]
        for each in opened:
            await each.resume(cursor(accepted, -1), chat=f"tabs-{tabs}")
        teller.pipeline.release()
        await asyncio.gather(*(each.chunks(1) for each in opened))
        redis.says("CONFIG", "RESETSTAT")
        for _ in range(BATCHES):  # each is in the log before the next is told
            teller.pipeline.release()
            await asyncio.gather(*(each.chunks(1) for each in opened))
        cost = _commands(redis)
        cost["connected"] = len(redis.says("CLIENT", "LIST").splitlines())
        await asker.send("stop", answer=accepted["answer"])
        await teller.sealed(accepted["answer"])
    return cost


def _commands(redis: RedisServer) -> Counter[str]:
    """How often Redis has carried out each command, those of scripts as well."""
    stats = re.findall(r"cmdstat_(\S+):calls=(\d+)", redis.says("INFO", "commandstats"))
    return Counter({command: int(calls) for command, calls in stats})


async def _told(asker: Tab, text: str, *, id: str = "q1") -> dict[str, Any]:
    accepted = await asker.ask(text, id=id)
    await _ended(asker, accepted)
    return accepted


async def _ended(reader: Tab, answer: dict[str, Any]) -> None:
    if not any(event["type"] == "end" and event["answer"] == answer["answer"] for event in reader.events):
        await reader.until("end", answer=answer["answer"])
