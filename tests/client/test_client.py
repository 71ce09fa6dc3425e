import asyncio
import gc
import subprocess
import sys
from collections.abc import Callable
from http import HTTPStatus

import pytest

from chatserver.client import (
    AnswerGone,
    AnswerStream,
    Client,
    ClientError,
    Closed,
    Cursor,
    Entry,
    ProtocolError,
    Refused,
    Rejected,
    Unreachable,
    stream,
)
from tests.client.chat_v1_server import ChatV1Server, Log, Plan, chunks
from tests.client.conftest import Pauses

Connect = Callable[..., Client]
WORDS = 5
SCRIPT = chunks(WORDS)
TEXT = "".join(f"w{n} " for n in range(WORDS))


@pytest.fixture(autouse=True)
def _scripted(server: ChatV1Server) -> None:
    server.script = {"q": SCRIPT, "open": SCRIPT[:5]}


async def taken(answer: AnswerStream) -> list[Entry]:
    return [entry async for entry in answer]


async def settled(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - the condition is the test server's state
            await asyncio.sleep(0.001)


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


async def test_a_refused_question(server: ChatV1Server, connect: Connect) -> None:
    """An error about the question is raised with the server's code; the client goes on."""
    server.refusals = [{"code": "empty_question", "message": "The question is empty."}]
    async with connect() as client:
        with pytest.raises(Rejected) as caught:
            await taken(client.ask(""))
        assert caught.value.code == "empty_question"
        assert (await client.ask("q").result()).text == TEXT


async def test_later_is_honoured(server: ChatV1Server, connect: Connect, pauses: Pauses) -> None:
    """A refusal with a time is asked again after that time, with the same id, a bounded number of times."""
    later = {"code": "overloaded", "message": "Later.", "retry_after_ms": 700}
    server.refusals = [later, later]
    async with connect() as client:
        assert (await client.ask("q").result()).text == TEXT
        assert pauses.seconds == [0.7, 0.7]
        server.refusals = [later] * 100
        with pytest.raises(Rejected):
            await taken(client.ask("q"))


async def test_a_draining_server_is_asked_until_another_takes_over(
    server: ChatV1Server, connect: Connect, pauses: Pauses
) -> None:
    """However often a drain refuses a question, it is asked again: the drain ends by itself."""
    draining = {"code": "draining", "message": "Restarting.", "retry_after_ms": 200}
    server.refusals = [draining] * 30
    async with connect() as client:
        assert (await client.ask("q").result()).text == TEXT
    assert pauses.seconds == [0.2] * 30


@pytest.mark.parametrize(
    ("code", "delays"), [(1011, [0.5]), (1012, [0.5]), (4408, [0.5]), (1013, [4.0]), (4429, [4.0])]
)
async def test_close_codes_that_come_back(
    server: ChatV1Server, connect: Connect, pauses: Pauses, code: int, delays: list[float]
) -> None:
    """Restart, slowness and failure reconnect soon; full and rate-limited later; the answer is whole."""
    server.plans = [Plan(close_after=(4, code))]
    async with connect() as client:
        assert [entry.chunk for entry in await taken(client.ask("q"))] == SCRIPT
    assert pauses.seconds == delays


@pytest.mark.parametrize(
    ("code", "error"), [(1008, Refused), (4401, Refused), (4403, Refused), (1000, Closed), (1001, Closed)]
)
async def test_close_codes_that_end(
    server: ChatV1Server, connect: Connect, code: int, error: type[ClientError]
) -> None:
    """Codes that say "not as you are" and "done" end the client's waiting with a reason."""
    server.plans = [Plan(close_after=(4, code))]
    async with connect() as client:
        with pytest.raises(error, match=str(code)):
            await taken(client.ask("q"))
        with pytest.raises(error):
            await client.resume("c")
    assert server.connections == 1


async def test_draining_names_the_wait(server: ChatV1Server, connect: Connect, pauses: Pauses) -> None:
    """After `draining` the client comes back when the server said."""
    draining = {"type": "draining", "retry_after_ms": 1234}
    server.plans = [Plan(close_after=(4, 1012), before=[draining])]
    async with connect() as client:
        assert [entry.chunk for entry in await taken(client.ask("q"))] == SCRIPT
    assert pauses.seconds == [1.234]


async def test_waits_grow_while_the_server_is_away(server: ChatV1Server, connect: Connect, pauses: Pauses) -> None:
    """Each failed attempt doubles the bound up to the cap; a server that speaks again starts it over."""
    down = Plan(status=HTTPStatus.SERVICE_UNAVAILABLE)
    server.plans = [Plan(cut_after=4), down, down, down, down, down, Plan(cut_after=2)]
    async with connect() as client:
        assert [entry.chunk for entry in await taken(client.ask("q"))] == SCRIPT
    assert pauses.seconds == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0, 0.5]


async def test_a_dead_server_is_given_up(server: ChatV1Server, connect: Connect) -> None:
    """With a limit, waiting for a server that stays away ends as unreachable."""
    down = Plan(status=HTTPStatus.SERVICE_UNAVAILABLE)
    server.plans = [Plan(cut_after=4), down]
    async with connect(give_up_after_s=0.0) as client:
        with pytest.raises(Unreachable):
            await taken(client.ask("q"))


async def test_a_silent_server_is_replaced(server: ChatV1Server, connect: Connect) -> None:
    """A server that answers neither question nor ping for two heartbeats is cut, and the next one asked."""
    server.heartbeat_s = 0.05
    server.plans = [Plan(deaf=True)]
    async with connect() as client:
        server.heartbeat_s = 5.0
        assert (await client.ask("q").result()).text == TEXT
    assert server.connections == 2
    assert server.of_type("ping")


async def test_a_quiet_answer_is_kept_alive(server: ChatV1Server, connect: Connect) -> None:
    """Pings keep a connection whose answer is silent for many heartbeats."""
    server.heartbeat_s = 0.25
    async with connect() as client:
        answer = client.ask("open")
        await anext(answer)
        await settled(lambda: len(server.of_type("ping")) >= 3)
        server.logs["a1"].append(*SCRIPT[5:])
        await taken(answer)
    assert server.connections == 1


@pytest.mark.parametrize("frame", ["{", "[]", '{"type": 1}', '{"type": "chunk"}', '{"type": "welcome"}'])
async def test_what_is_not_chat_v1(server: ChatV1Server, connect: Connect, frame: str) -> None:
    """A server whose first frame is no welcome is told apart from one that is away."""
    server.plans = [Plan(first_frame=frame)]
    with pytest.raises(ProtocolError):
        await connect().__aenter__()


async def test_nonsense_after_the_welcome(server: ChatV1Server, connect: Connect) -> None:
    """An event that is not chat.v1 ends the waiting instead of being guessed at."""
    server.plans = [Plan(before=[{"type": "chunk", "answer": "a"}])]
    async with connect() as client:
        with pytest.raises(ProtocolError):
            await taken(client.ask("q"))


async def test_unknown_events_are_ignored(server: ChatV1Server, connect: Connect) -> None:
    """A newer server may say more than this client knows."""
    server.plans = [Plan(before=[{"type": "weather", "sunny": True}, {"type": "error", "code": "x", "message": "m"}])]
    async with connect() as client:
        assert (await client.ask("q").result()).text == TEXT


async def test_refused_handshakes(server: ChatV1Server, connect: Connect) -> None:
    """A 4xx handshake is a refusal, a 5xx one a server that is busy, a closed port none at all."""
    server.plans = [Plan(status=HTTPStatus.FORBIDDEN)]
    with pytest.raises(Refused):
        await connect().__aenter__()
    server.plans = [Plan(status=HTTPStatus.BAD_GATEWAY)]
    with pytest.raises(Unreachable):
        await connect().__aenter__()
    server.plans = [Plan(close_instead_of_welcome=4401), Plan(close_instead_of_welcome=1013)]
    with pytest.raises(Refused):
        await connect().__aenter__()
    with pytest.raises(Unreachable):
        await connect().__aenter__()
    with pytest.raises(Unreachable):
        await Client("http://127.0.0.1:1").__aenter__()
    with pytest.raises(Refused):
        await Client("nonsense").__aenter__()


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
