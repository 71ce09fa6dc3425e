"""What the conformance suite does to a connection over chat.v1, done through every door: the answer is the same."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from chatserver.models.scripted import parse_script
from chatserver.protocol.chunks import Chunk
from tests.delivery.conformance.grammar import text_of
from tests.delivery.conformance.proxy import proxy
from tests.delivery.served import System, served
from tests.doors.readers import DOORS, Door, NothingLeft, Question, Told, persistent
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


@every_door
async def test_a_cut_in_the_middle_of_anything(system: System, door: Door) -> None:
    """Each connection is reset a few bytes further than the last: within a handshake, a frame, an event. All of it
    comes, once and in order, and there is one answer."""
    undisturbed = await whole(door, question(system, id="alone"))
    async with proxy(int(system.address.rpartition(":")[2])) as network:
        cuts = 0

        def come_back() -> None:
            nonlocal cuts
            cuts += 1
            network.reset_after = 100 + 67 * cuts

        network.reset_after = 100
        asked = Question(f"127.0.0.1:{network.port}", str(WORDS), "cut")
        told = await persistent(door, asked, [], come_back)
    assert cuts > 5
    assert [chunk["type"] for chunk in told] == [chunk["type"] for chunk in undisturbed]
    assert text_of(told) == TEXT
    assert sum(chat.answers for chat in await system.answers.chats("ada", 10)) == 2


@every_door
async def test_a_reload_in_mid_answer(system: System, door: Door) -> None:
    """It knows its chat and nothing else, and reads all of the answer that is under way."""
    asked = question(system, f"held {WORDS}")
    system.pipeline.release(6)
    await some(door, asked, 1)
    async with asyncio.TaskGroup() as group:
        again = group.create_task(_all(door.reload(question(system))))
        await eventually(lambda: len(system.connections) == 1)
        system.pipeline.release(1000)
    assert text_of(again.result()) == TEXT


async def _all(told: Told) -> list[Chunk]:
    return [chunk async for chunk in told]


@every_door
async def test_the_same_question_at_once(system: System, door: Door) -> None:
    """From two connections, and again when all is over: one answer."""
    twice = await asyncio.gather(whole(door, question(system)), whole(door, question(system)))
    told = [*twice, await whole(door, question(system))]
    assert [text_of(each) for each in told] == [TEXT] * 3
    (chat,) = await system.answers.chats("ada", 10)
    assert chat.answers == 1


@every_door
async def test_a_stop_races_with_the_end(system: System, door: Door) -> None:
    """One of the two seals the answer, for everybody the same."""
    for n in range(4):
        asked = question(system, f"held {WORDS}", f"race-{n}")
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(whole(door, asked))
            await eventually(lambda: len(system.generations.inflight()) == 1)
            (running,) = system.generations.inflight()
            system.pipeline.release(7 + n)
            await asyncio.gather(
                system.generations.stop("ada", running.answer),
                asyncio.to_thread(time.sleep, n / 1000),
            )
            system.pipeline.release(1000)
        text = text_of(reading.result())
        assert TEXT.startswith(text)
        assert text_of(await whole(door, question(system, f"held {WORDS}", f"race-{n}"))) == text
        assert (await system.sealed(running.answer)).state in {"completed", "stopped"}
        system.pipeline.take_back()


@every_door
async def test_a_storm(system: System, door: Door) -> None:
    """Twenty readers lose their connections in the same moment, in mid-answer, and all come back at once."""
    async with proxy(int(system.address.rpartition(":")[2])) as network, asyncio.TaskGroup() as group:
        asked = [Question(f"127.0.0.1:{network.port}", f"held {WORDS}", f"storm-{n}") for n in range(20)]
        reading = [group.create_task(persistent(door, each, [], lambda: None)) for each in asked]
        await eventually(lambda: len(system.generations.inflight()) == 20)
        system.pipeline.release(100)
        await eventually(lambda: system.pipeline.told == 100)
        network.reset()
        system.pipeline.release(10_000)
    assert [text_of(task.result()) for task in reading] == [TEXT] * 20


@pytest.mark.parametrize(
    "door",
    [DOORS["/ws/ai-sdk"], DOORS["/api/chat"], DOORS["/v1/answers/events"]],
    ids=["/ws/ai-sdk", "/api/chat", "/v1/answers/events"],
)
async def test_what_was_acknowledged_stays_away(system: System, door: Door) -> None:
    """A page that is loaded again is told that nothing is left to read, and asking the same again reads it still."""
    told = await whole(door, question(system))
    meta = await system.sealed(str(told[0]["messageId"]))
    await system.answers.acknowledge("ada", meta.answer, meta.head - 1)
    with pytest.raises(NothingLeft):
        await _all(door.reload(question(system)))
    assert text_of(await whole(door, question(system))) == TEXT


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """Two processes on one log."""
    data_dir = tmp_path_factory.mktemp("doors") / "data"
    both = Server(data_dir, "scripted"), Server(data_dir, "scripted")
    yield both
    for node in both:
        node.end()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_a_node_that_goes_in_mid_answer(nodes: tuple[Server, Server], how: signal.Signals) -> None:
    """A reader at each door of a node that is killed, or drained: each goes on at the other node, which takes the
    answers over."""
    text = "/script tokens=200 delay_ms=15"
    first, other = nodes
    asked = [Question(f"127.0.0.1:{first.port}", text, f"{name.replace('/', '')}-{how}") for name in DOORS]
    have: list[list[Chunk]] = [[] for _ in DOORS]

    def moves(question: Question) -> Callable[[], None]:
        def move() -> None:
            question.host = f"127.0.0.1:{other.port}"

        return move

    async with asyncio.TaskGroup() as group:
        reading = [
            group.create_task(persistent(door, question, told, moves(question)))
            for door, question, told in zip(DOORS.values(), asked, have, strict=True)
        ]
        await eventually(lambda: min(map(len, have)) >= 9, within_s=60)
        await asyncio.to_thread(first.end, how)
    await asyncio.to_thread(first.start)
    moved = [question.host == f"127.0.0.1:{other.port}" for question in asked]
    assert any(moved)
    for name, task in zip(DOORS, reading, strict=True):
        assert text_of(task.result()) == parse_script(text).text(), name
