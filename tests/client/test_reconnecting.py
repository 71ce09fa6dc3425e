"""The client through what servers and networks do: refusals, closes, drains, silence and nonsense."""

from http import HTTPStatus

import pytest

from chatserver.client import Client, ClientError, Closed, ProtocolError, Refused, Rejected, Unreachable
from tests.client.chat_v1_server import ChatV1Server, Plan
from tests.client.conftest import Pauses
from tests.client.scripted import SCRIPT, TEXT, Connect, settled, taken


@pytest.fixture(autouse=True)
def _scripted(server: ChatV1Server) -> None:
    server.script = {"q": SCRIPT, "open": SCRIPT[:5]}


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
