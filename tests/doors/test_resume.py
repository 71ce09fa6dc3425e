"""What the conformance suite does to a connection over chat.v1, done through every door: the answer is the same."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from chatserver.models.scripted import parse_script
from chatserver.protocol.chunks import Chunk
from tests.delivery.conformance.grammar import text_of
from tests.delivery.served import System, served
from tests.doors.readers import DOORS, Door, Question
from tests.eventually import eventually
from tests.page.server import Server

WORDS = 4
TEXT = "".join(f"w{n} " for n in range(WORDS))

every_door = pytest.mark.parametrize("door", DOORS.values(), ids=list(DOORS))


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[System]:
    async with served(tmp_path, log="memory") as system:
        yield system


def question(system: System, text: str = str(WORDS), id: str = "q") -> Question:
    return Question(system.address, text, id)


async def some(door: Door, asked: Question, count: int) -> list[Chunk]:
    """The first entries; then it leaves."""
    async with aclosing(door.ask(asked)) as told:
        return [await anext(told) for _ in range(count)]


async def whole(door: Door, asked: Question, have: list[Chunk] | None = None) -> list[Chunk]:
    """All entries, asked for or resumed after some."""
    if have is None:
        return [chunk async for chunk in door.ask(asked)]
    rest = [chunk async for chunk in door.resume(asked, have)]
    return rest if door.replays or not have else [*have, *rest]


@every_door
async def test_a_cut_at_every_entry(system: System, door: Door) -> None:
    """The reader leaves after each entry in turn and comes back: the same entries, none lost and none twice."""
    undisturbed = await whole(door, question(system, id="alone"))
    assert text_of(undisturbed) == TEXT
    for cut in range(len(undisturbed)):
        asked = question(system, id=f"cut-{cut}")
        again = await whole(door, asked, await some(door, asked, cut))
        assert [chunk["type"] for chunk in again] == [chunk["type"] for chunk in undisturbed]
        assert text_of(again) == TEXT


@every_door
async def test_offline_for_the_whole_answer(system: System, door: Door) -> None:
    """It leaves after the first entry and is back when all is over."""
    asked = question(system, f"held {WORDS}")
    system.pipeline.release(2)
    have = await some(door, asked, 1)
    await eventually(lambda: len(system.connections) == 0)
    system.pipeline.release(1000)
    (meta,) = await system.answers.chat("ada", (await system.answers.chats("ada", 1))[0].chat)
    await system.sealed(meta.answer)
    assert text_of(await whole(door, asked, have)) == TEXT


@every_door
async def test_two_readers(system: System, door: Door) -> None:
    """The second asks the same in mid-answer: one answer, and both have all of it."""
    first, second = question(system, f"held {WORDS}"), question(system, f"held {WORDS}")
    async with asyncio.TaskGroup() as group:
        reading = [group.create_task(whole(door, first))]
        await eventually(lambda: len(system.generations.inflight()) == 1)
        system.pipeline.release(8)
        reading.append(group.create_task(whole(door, second)))
        await eventually(lambda: len(system.connections) == 2)
        system.pipeline.release(1000)
    assert [text_of(task.result()) for task in reading] == [TEXT, TEXT]
    (chat,) = await system.answers.chats("ada", 10)
    assert chat.answers == 1


@every_door
async def test_a_stop_ends_it_for_every_reader(system: System, door: Door) -> None:
    """What was said stays, and whoever comes later reads the same."""
    asked = question(system, f"held {WORDS}")
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(whole(door, asked))
        await eventually(lambda: len(system.generations.inflight()) == 1)
        system.pipeline.release(9)
        (running,) = system.generations.inflight()
        await eventually(lambda: system.pipeline.told == 9)
        await system.generations.stop("ada", running.answer)
    text = text_of(reading.result())
    assert TEXT.startswith(text)
    assert text_of(await whole(door, question(system, f"held {WORDS}"))) == text
    assert (await system.sealed(running.answer)).state == "stopped"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("doors") / "data", "scripted")
    yield running
    running.end()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("how", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
async def test_a_server_that_is_replaced_in_mid_answer(server: Server, how: signal.Signals) -> None:
    """One reader at each door; the process is killed or drained, and each reads on at the next one."""
    text = "/script tokens=80 delay_ms=20"
    asked = {name: Question(f"127.0.0.1:{server.port}", text, f"{name.replace('/', '')}-{how}") for name in DOORS}
    have = dict(zip(DOORS, await asyncio.gather(*(some(DOORS[name], asked[name], 9) for name in DOORS)), strict=True))
    await asyncio.to_thread(server.end, how)
    await asyncio.to_thread(server.start)
    for name, door in DOORS.items():
        assert text_of(await whole(door, asked[name], have[name])) == parse_script(text).text(), name
