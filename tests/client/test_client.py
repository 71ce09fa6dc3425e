import asyncio
import gc
import subprocess
import sys

import pytest

from chatserver.client import AnswerGone, Client, Closed, Cursor, stream
from tests.client.chat_v1_server import ChatV1Server, Log, Plan, chunks
from tests.client.scripted import SCRIPT, TEXT, Connect, settled, taken


@pytest.fixture(autouse=True)
def _scripted(server: ChatV1Server) -> None:
    server.script = {"q": SCRIPT, "open": SCRIPT[:5]}


async def test_ask_gives_every_entry_once(server: ChatV1Server, connect: Connect) -> None:
    """An undisturbed answer is its log, folded into its text, and acknowledged when it was shown."""
    async with connect() as client:
        answer = client.ask("q", chat="c")
        entries = await taken(answer)
    assert [entry.seq for entry in entries] == list(range(len(SCRIPT)))
    assert [entry.chunk for entry in entries] == SCRIPT
    assert answer.answer.text == TEXT
    assert answer.answer.state == "completed"
    await settled(lambda: server.logs["a1"].acknowledged)
    assert server.of_type("ack") == [{"type": "ack", "answer": "a1", "seq": len(SCRIPT) - 1}]


@pytest.mark.parametrize("cut", range(len(SCRIPT) + 1))
async def test_cut_at_every_boundary(server: ChatV1Server, connect: Connect, cut: int) -> None:
    """Wherever the connection is cut, the resumed answer is whole, contiguous and told once."""
    server.plans = [Plan(cut_after=cut)]
    async with connect() as client:
        entries = await taken(client.ask("q"))
    assert [entry.seq for entry in entries] == list(range(len(SCRIPT)))
    assert [entry.chunk for entry in entries] == SCRIPT
    assert not any(entry.reset for entry in entries)
    assert len(server.logs) == 1


async def test_cut_after_every_entry(server: ChatV1Server, connect: Connect) -> None:
    """A connection that never carries more than one entry still brings the whole answer."""
    server.plans = [Plan(cut_after=1) for _ in SCRIPT]
    async with connect() as client:
        assert [entry.chunk for entry in await taken(client.ask("q"))] == SCRIPT
    assert server.connections > len(SCRIPT) - 1


async def test_an_unaccepted_question_is_asked_again(server: ChatV1Server, connect: Connect) -> None:
    """When `accepted` was lost, the question goes out again with its id and stays one question."""
    server.plans = [Plan(cut_instead_of_accepted=True), Plan(cut_instead_of_accepted=True)]
    async with connect() as client:
        assert (await client.ask("q").result()).text == TEXT
    assert len({ask["id"] for ask in server.of_type("ask")}) == 1
    assert len(server.of_type("ask")) == 3
    assert len(server.logs) == 1


async def test_a_given_id_is_the_key(server: ChatV1Server, connect: Connect) -> None:
    """The same id asked by two clients is one answer."""
    async with connect() as one, connect() as two:
        first = await one.ask("q", chat="c", id="k").result()
        second = await two.ask("q", chat="c", id="k").result()
    assert first.id == second.id == "a1"


async def test_a_gap_is_resumed_not_spliced(server: ChatV1Server, connect: Connect) -> None:
    """When an entry is missing, what follows is not shown before the missing one has been fetched."""
    server.plans = [Plan(skip=frozenset({3, 6}))]
    async with connect() as client:
        entries = await taken(client.ask("q"))
    assert [entry.seq for entry in entries] == list(range(len(SCRIPT)))
    assert [resume["cursors"][0]["seq"] for resume in server.of_type("resume")] == [2]


async def test_a_missing_last_entry_is_fetched(server: ChatV1Server, connect: Connect) -> None:
    """`end` tells of an entry that never came."""
    server.plans = [Plan(skip=frozenset({len(SCRIPT) - 1}))]
    async with connect() as client:
        assert [entry.chunk for entry in await taken(client.ask("q"))] == SCRIPT


async def test_repeated_entries_are_dropped(server: ChatV1Server, connect: Connect) -> None:
    """Entries told twice are shown once."""
    server.plans = [Plan(twice=True)]
    async with connect() as client:
        assert [entry.chunk for entry in await taken(client.ask("q"))] == SCRIPT


async def test_a_new_epoch_resets(server: ChatV1Server, connect: Connect) -> None:
    """When the log was lost, the first entry of the new telling says so and the answer shows only the new one."""
    server.plans = [Plan(cut_after=5)]
    async with connect() as client:
        answer = client.ask("q")
        entries = [await anext(answer) for _ in range(5)]
        server.logs["a1"] = Log(server.logs["a1"].chat, chunks(2), epoch="e2")
        entries += await taken(answer)
    assert [(entry.epoch, entry.seq) for entry in entries if entry.reset] == [("e2", 0)]
    assert [entry.seq for entry in entries[5:]] == list(range(len(chunks(2))))
    assert answer.answer.text == "w0 w1 "


async def test_a_lost_answer_is_an_error(server: ChatV1Server, connect: Connect) -> None:
    """When the server has lost the answer, its stream says so."""
    server.plans = [Plan(cut_after=5)]
    async with connect() as client:
        answer = client.ask("q")
        await anext(answer)
        server.logs.clear()
        with pytest.raises(AnswerGone):
            await taken(answer)


async def test_reset_step_is_delivered_and_withdraws(server: ChatV1Server, connect: Connect) -> None:
    """`reset-step` is an entry like others; the folded text is without the withdrawn step."""
    again = [{"type": "reset-step"}, *SCRIPT[2:]]
    server.script["q"] = SCRIPT[:6] + again
    async with connect() as client:
        answer = client.ask("q")
        entries = await taken(answer)
    assert {"type": "reset-step"} in [entry.chunk for entry in entries]
    assert answer.answer.text == TEXT


async def test_a_slow_consumer_is_bounded(
    server: ChatV1Server, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A consumer that does not take its entries holds up nobody and misses nothing."""
    monkeypatch.setattr(stream, "MAX_WAITING", 10)
    server.script["long"] = chunks(100)
    async with connect() as client:
        slow = client.ask("long", chat="c")
        await anext(slow)
        assert (await client.ask("q", chat="d").result()).text == TEXT
        assert slow.cursor.seq <= 10
        rest = await taken(slow)
    assert [entry.seq for entry in rest] == list(range(1, len(chunks(100))))


async def test_stop_keeps_the_partial(server: ChatV1Server, connect: Connect) -> None:
    """A stopped answer ends with `abort` and keeps its text."""
    async with connect() as client:
        answer = client.ask("open")
        await anext(answer)
        await answer.stop()
        await taken(answer)
    assert answer.answer.state == "stopped"
    assert answer.answer.text == "w0 w1 "


async def test_a_stop_survives_a_cut(server: ChatV1Server, connect: Connect) -> None:
    """A stop that was wanted while the connection was away is told to the next one."""
    server.plans = [Plan(cut_after=5), Plan(cut_after=0)]
    async with connect() as client:
        answer = client.ask("open")
        for _ in range(5):
            await anext(answer)
        await answer.stop()
        await taken(answer)
    assert answer.answer.state == "stopped"


async def test_an_acknowledgement_survives_a_cut(server: ChatV1Server) -> None:
    """What was read to its end while the connection was away is acknowledged to the next one."""
    server.plans = [Plan(cut_after=len(SCRIPT))]
    back = asyncio.Event()

    async def wait(seconds: float) -> None:
        await back.wait()

    async with Client(server.url, sleep=wait) as client:
        answer = client.ask("q")
        await anext(answer)
        await settled(lambda: client._connection is None)
        await taken(answer)
        back.set()
        await settled(lambda: server.logs["a1"].acknowledged)


async def test_resume_after_a_restart_of_the_client(server: ChatV1Server, connect: Connect) -> None:
    """A new client gets the chat's unacknowledged answers from their start, the running one live."""
    server.logs = {"a1": Log("c", list(SCRIPT)), "a2": Log("c", list(SCRIPT[:5])), "a3": Log("d", list(SCRIPT))}
    async with connect() as client:
        first, second = await client.resume("c")
        assert (await first.result()).text == TEXT
        await anext(second)
        server.logs["a2"].append(*SCRIPT[5:])
        assert (await second.result()).text == TEXT
        await settled(lambda: server.logs["a1"].acknowledged and server.logs["a2"].acknowledged)
        assert await client.resume("c") == []


async def test_resume_with_a_kept_cursor(server: ChatV1Server, connect: Connect) -> None:
    """With the cursor of an earlier process the answer goes on right after it."""
    server.logs = {"a1": Log("c", list(SCRIPT))}
    async with connect() as client:
        (answer,) = await client.resume("c", cursors=[Cursor("a1", "e1", 4)])
        assert [entry.seq for entry in await taken(answer)] == list(range(5, len(SCRIPT)))


async def test_resume_with_a_cursor_of_nothing(server: ChatV1Server, connect: Connect) -> None:
    """A cursor of an answer that the server does not have is told as gone, not as silence."""
    async with connect() as client:
        (answer,) = await client.resume("c", cursors=[Cursor("a9", "e1", 4)])
        with pytest.raises(AnswerGone):
            await taken(answer)


async def test_resume_survives_a_cut(server: ChatV1Server, connect: Connect) -> None:
    """A resume whose connection is cut before the verdict is told again."""
    server.logs = {"a1": Log("c", list(SCRIPT))}
    server.plans = [Plan(cut_after=0)]
    async with connect() as client:
        (answer,) = await client.resume("c")
        assert (await answer.result()).text == TEXT


async def test_closing_ends_the_streams(server: ChatV1Server, connect: Connect) -> None:
    """Streams that are still iterated when the client closes are told so."""
    async with connect() as client:
        answer = client.ask("open")
        await anext(answer)
        iterating = asyncio.create_task(taken(answer))
        await asyncio.sleep(0)
    with pytest.raises(Closed):
        await iterating


async def test_cancelling_a_consumer_leaves_the_client_whole(server: ChatV1Server, connect: Connect) -> None:
    """A consumer may give up waiting and take the rest of the same stream later."""
    async with connect() as client:
        answer = client.ask("open")
        for _ in range(5):
            await anext(answer)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await anext(answer)
        server.logs["a1"].append(*SCRIPT[5:])
        assert (await answer.result()).text == TEXT


async def test_a_dropped_stream_is_forgotten(server: ChatV1Server, connect: Connect) -> None:
    """An answer that nobody reads any more is not resumed after a cut."""
    server.plans = [Plan(close_after=(8, 1012))]
    async with connect() as client:
        async for _ in client.ask("open", chat="left"):
            break
        gc.collect()
        assert (await client.ask("q", chat="kept").result()).text == TEXT
    assert {resume["chat"] for resume in server.of_type("resume")} == {"kept"}


def test_imports_nothing_of_the_server() -> None:
    """The client stands alone: of chatserver it imports only itself."""
    program = (
        "import sys, chatserver.client; print([m for m in sys.modules if m.startswith(('chatserver', 'retrieval',"
        " 'graph', 'uvicorn', 'pydantic')) and not m.startswith('chatserver.client')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['chatserver']"
