"""What can be done to a server over the network alone: each scenario plays against a target and gives its journals.

A scenario holds the server to what it was promised on the way (`Broken`); the checker judges the journals after it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.delivery.conformance.checker import Expect, Report, check
from tests.delivery.conformance.journal import Journal
from tests.delivery.conformance.judge import WITHIN_S, Judge, Refused, Target, judge, read_back

TOKENS = 12


class Broken(Exception):
    """A promise that the journals alone do not show."""


@dataclass(slots=True)
class Play:
    """A scenario in play: its judges, and names that no other play has."""

    target: Target
    name: str
    judges: list[Judge] = field(default_factory=list)

    def judge(self, suffix: str = "", *, complete: bool = True, target: Target | None = None) -> Judge:
        client = Judge(target or self.target, f"{self.name}{suffix}", complete=complete)
        self.judges.append(client)
        return client

    async def connected(self, suffix: str = "", *, complete: bool = True) -> Judge:
        client = self.judge(suffix, complete=complete)
        await client.connect()
        return client

    def chat(self, suffix: object = "") -> str:
        return f"{self.name}-{id(self):x}-{suffix}"

    async def asks(self, tokens: int, delay_ms: int, suffix: str = "") -> tuple[Judge, str, str]:
        """A client that has asked: itself, its chat, its answer."""
        client, chat = await self.connected(suffix), self.chat(suffix)
        return client, chat, await client.ask(self.target.question(tokens, delay_ms), chat=chat)

    async def verdict(self, *, target: Target | None = None, expect: Expect = lambda question: None) -> Report:
        """What the checker says to the judges' journals; the logs are read from `target`, when the first is gone."""
        return await verdict([client.journal for client in self.judges], target or self.target, expect=expect)


Scenario = Callable[[Play], Awaitable[None]]


def require(condition: object, promise: str) -> None:
    if not condition:
        raise Broken(promise)


async def an_answer_alone(play: Play) -> None:
    """A question and its answer, undisturbed."""
    client = await play.connected()
    await client.ask(play.target.question(TOKENS), chat=play.chat())
    await client.ended()


async def drop_at_every_entry(play: Play) -> None:
    """The link is lost after each entry in turn; the client comes back with its cursor, or without."""
    length = await _length(play)

    async def dropped(cut: int, kept: bool) -> None:
        client = await play.connected(f" {cut} {'with' if kept else 'without'} cursor")
        chat = play.chat(f"{cut}-{kept}")
        answer = await client.ask(play.target.question(TOKENS, 1), chat=chat)
        if cut:
            await client.until(answer, cut - 1)
        client.cut()
        if not kept:
            client.lose_cursors()
        await client.finish(chat)
        if not kept:
            await client.come_back(chat)
            await client.ended()

    for cut in range(length):
        await asyncio.gather(dropped(cut, True), dropped(cut, False))


async def two_tabs(play: Play) -> None:
    """A second tab comes late, without a cursor, a third with one; all three read the same."""
    client = await play.connected(" first tab")
    chat = play.chat()
    answer = await client.ask(play.target.question(4 * TOKENS, 5), chat=chat)
    await client.entries(10)
    second = await play.connected(" second tab")
    await second.resume(chat)
    third = await play.connected(" third tab")
    await third.resume(chat, [{"answer": answer, "epoch": client.answers[answer].epoch, "seq": 4}])
    await asyncio.gather(client.ended(), second.ended(), third.next("end", answer=answer))


async def duplicate_ask(play: Play) -> None:
    """The same ask id, from two connections at once, again on one of them, and again when all is over."""
    first, second = await play.connected(" first"), await play.connected(" second")
    chat, id = play.chat(), f"ask-{play.chat()}"
    question = play.target.question(TOKENS, 5)
    answers = [*await asyncio.gather(*(tab.ask(question, chat=chat, id=id) for tab in (first, second)))]
    await first.send("ask", id=id, chat=chat, text=question)
    await asyncio.gather(first.ended(), second.ended())
    late = await play.connected(" late")
    answers.append(await late.ask(question, chat=chat, id=id))
    await late.ended()
    require(len(set(answers)) == 1, f"one ask id has the answers {set(answers)}")


async def stop_races_completion(play: Play) -> None:
    """A stop around the time of the answer's end: one of the two seals it, for everybody the same."""

    async def race(wait_ms: int) -> None:
        client, other = await play.connected(f" {wait_ms} ms"), await play.connected(f" {wait_ms} ms, other tab")
        chat = play.chat(wait_ms)
        answer = await client.ask(play.target.question(TOKENS, 2), chat=chat)
        await other.resume(chat)
        await asyncio.sleep(wait_ms / 1000)
        await other.send("stop", answer=answer)
        await asyncio.gather(client.ended(answer), other.settled())
        require(client.journal.got("end")[0]["state"] in {"completed", "stopped"}, "a stopped answer is no failure")

    for wait_ms in range(0, 40, 4):
        await race(wait_ms)


async def stop_keeps_the_partial(play: Play) -> None:
    """A stop of a long answer ends it soon, and what was said stays."""
    client = await play.connected()
    answer = await client.ask(play.target.question(100_000, 5), chat=play.chat())
    await client.until(answer, 10)
    await client.send("stop", answer=answer)
    await client.ended()
    require(client.journal.got("end")[0]["state"] == "stopped", "the state is stopped")


async def offline_for_the_whole_answer(play: Play) -> None:
    """The client is gone right after `accepted` and back when all is over."""
    client = await play.connected()
    chat = play.chat()
    answer = await client.ask(play.target.question(TOKENS, 5), chat=chat)
    client.cut()
    watch = await play.connected(" other tab")
    await watch.resume(chat)
    await watch.ended(answer)
    client.answers[answer].seq = -1
    await client.come_back(chat)
    await client.ended()


async def asks_before_reading(play: Play) -> None:
    """The link is lost before `accepted` came: the ask is told again, and there is one answer."""
    for n in range(5):
        client = await play.connected(f" {n}")
        chat = play.chat(n)
        ask = {"id": f"ask-{chat}", "chat": chat, "text": play.target.question(TOKENS)}
        client.pending[ask["id"]] = ask
        await client.send("ask", **ask)
        await asyncio.sleep(n / 1000)
        client.cut()
        await client.finish(chat)


async def wrong_cursors(play: Play) -> None:
    """A cursor of another epoch, ahead of the head, or of no answer is told so, and nothing is spliced."""
    client = await play.connected()
    chat = play.chat()
    answer = await client.ask(play.target.question(TOKENS), chat=chat)
    await client.ended()
    kept = client.answers[answer]
    for name, cursor in {
        "another epoch": {"answer": answer, "epoch": "no-such", "seq": 3},
        "ahead of the head": {"answer": answer, "epoch": kept.epoch, "seq": kept.seq + 1},
        "far ahead": {"answer": answer, "epoch": kept.epoch, "seq": 2**50},
        "at the end": {"answer": answer, "epoch": kept.epoch, "seq": kept.seq},
        "inside": {"answer": answer, "epoch": kept.epoch, "seq": 3},
        "before the start": {"answer": answer, "epoch": kept.epoch, "seq": -1},
    }.items():
        other = await play.connected(f" {name}", complete=False)
        (verdict,) = (await other.resume(chat, [cursor]))["answers"]
        wanted = "resumed" if name in {"at the end", "inside", "before the start"} else "snapshot"
        require(verdict["verdict"] == wanted, f"{name}: {verdict['verdict']}, not {wanted}")
        await other.next("end", answer=answer)
        await other.settled()
    for name, cursor in {
        "no such answer": {"answer": "no-such", "epoch": kept.epoch, "seq": 3},
        "another chat's": {"answer": answer, "epoch": kept.epoch, "seq": 3},
    }.items():
        other = await play.connected(f" {name}", complete=False)
        (verdict,) = (await other.resume(play.chat("other"), [cursor]))["answers"]
        require(verdict["verdict"] == "gone", f"{name}: {verdict['verdict']}, not gone")
        await other.settled()


async def resumes_while_reading(play: Play) -> None:
    """One connection reads three answers and says anew, again and again, from where it wants them."""
    client = await play.connected(complete=False)
    chat = play.chat()
    answers = [await client.ask(play.target.question(20 * TOKENS, 2), chat=chat) for _ in range(3)]
    for turn in range(20):
        await client.entries(3)
        first = [{"answer": a, "epoch": client.answers[a].epoch, "seq": turn - 1} for a in answers[: turn % 4]]
        try:
            await client.resume(chat, first)
        except Refused as refused:
            raise Broken(f"a resume was refused: {refused}") from refused
    for answer in answers:
        await client.next("end", answer=answer)


async def acknowledged_answers_stay_away(play: Play) -> None:
    """What was acknowledged to its end is not told again unasked, and is still there when it is asked for."""
    client = await play.connected()
    chat = play.chat()
    answer = await client.ask(play.target.question(TOKENS), chat=chat)
    await client.ended()
    await client.send("ack", answer=answer, seq=client.answers[answer].seq)
    deadline = time.monotonic() + WITHIN_S  # an `ack` is not answered: it counts once the server has written it
    other = await play.connected(" other tab")
    while (await other.resume(chat, []))["answers"]:
        require(time.monotonic() < deadline, "an acknowledged answer is not resumed unasked")
        await other.ended()
        other = await play.connected(" another tab")
    await other.resume(chat, [{"answer": answer, "epoch": "none", "seq": -1}])
    await other.ended()


async def reconnect_storm(play: Play) -> None:
    """Many clients lose their link in the same moment, and all come back at once."""

    async def caught(n: int) -> None:
        client = await play.connected(f" {n}")
        chat = play.chat(n % 10)
        if n < 10:
            await client.ask(play.target.question(12 * TOKENS, 10), chat=chat)
        started.release()
        async with lost:
            await lost.wait()
        client.cut()
        await client.finish(chat)
        if n >= 10 and not client.answers:
            await client.come_back(chat)
            await client.ended()

    clients, started, lost = 60, asyncio.Semaphore(0), asyncio.Condition()
    async with asyncio.TaskGroup() as group:
        for n in range(clients):
            group.create_task(caught(n))
        for _ in range(clients):
            await started.acquire()
        async with lost:
            lost.notify_all()


async def cut_again_and_again(play: Play) -> None:
    """One long answer over many short connections, a few entries each."""
    client = await play.connected()
    chat = play.chat()
    answer = await client.ask(play.target.question(20 * TOKENS, 2), chat=chat)
    while not client.answers[answer].ended:
        before = client.answers[answer].seq
        while client.answers[answer].seq < before + 7 and not client.answers[answer].ended:
            await client.read()
        client.cut()
        if not client.answers[answer].ended:
            await client.come_back(chat)


SCENARIOS: tuple[Scenario, ...] = (
    an_answer_alone,
    drop_at_every_entry,
    two_tabs,
    duplicate_ask,
    stop_races_completion,
    stop_keeps_the_partial,
    offline_for_the_whole_answer,
    asks_before_reading,
    wrong_cursors,
    resumes_while_reading,
    acknowledged_answers_stay_away,
    reconnect_storm,
    cut_again_and_again,
)


async def judged(scenario: Scenario, target: Target, *, expect: Expect = lambda question: None) -> Report:
    """Plays it, reads the logs back, checks. Raises `Broken`, `Closed`, `TimeoutError`."""
    async with playing(target, scenario.__name__) as play:
        await scenario(play)
    return await play.verdict(expect=expect)


@asynccontextmanager
async def playing(target: Target, name: str) -> AsyncIterator[Play]:
    """Its judges are closed at the end."""
    play = Play(target, name)
    try:
        yield play
    finally:
        for client in play.judges:
            await client.close()


async def verdict(journals: list[Journal], target: Target, *, expect: Expect = lambda question: None) -> Report:
    """The journals against the logs as the server gives them now."""
    chats: dict[str, set[str]] = {}
    for journal in journals:
        for accepted in journal.got("accepted"):
            chats.setdefault(accepted["chat"], set()).add(accepted["answer"])
    logs = await read_back(target, {chat: sorted(answers) for chat, answers in chats.items()})
    return check(journals, logs, expect=expect)


async def _length(play: Play) -> int:
    """How many entries an answer of `TOKENS` has."""
    async with judge(play.target, f"{play.name} length") as client:
        answer = await client.ask(play.target.question(TOKENS), chat=play.chat("length"))
        await client.ended()
        return client.answers[answer].seq + 1
