"""Real server processes under everything that a network and a client can do to them."""

from collections.abc import Iterator

import pytest

from tests.delivery.conformance.proxy import proxy
from tests.delivery.conformance.scenarios import SCENARIOS, Scenario, judged, playing
from tests.delivery.conformance.server import (
    LOGS,
    QUICK_LOGS_APART,
    WAYS,
    Server,
    holds,
    scripted_text,
    serving,
)

QUICK = "serve --workers 2"
"""Two processes behind one port: each reconnect may meet the other one."""


def ways() -> Iterator[object]:
    for log in LOGS:
        for way in WAYS:
            yield pytest.param(
                (way, log), marks=() if (way, log) == (QUICK, "sqlite") else pytest.mark.slow, id=f"{way}, {log}"
            )


@pytest.fixture(scope="module", params=ways())
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    way, log = request.param
    with serving(Server(tmp_path_factory.mktemp("network") / "data", way, log)) as server:
        yield server


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_network_scenario(server: Server, scenario: Scenario) -> None:
    """Every scenario that can be played from outside ends with faultless journals."""
    report = await judged(scenario, server.target(), expect=scripted_text)
    assert report.ok, str(report)
    assert report.counts["takeovers"] == 0, "nobody died"


async def test_reset_in_the_middle_of_a_frame(server: Server) -> None:
    """A connection that is reset within a frame, at many places, costs nothing that was told or was to be told."""
    async with proxy(server.port) as network, playing(server.target(), "mid-frame") as play:
        for reset_after in range(400, 3200, 137):
            client, chat = play.judge(f" {reset_after} B"), play.chat(reset_after)
            network.reset_after = reset_after
            await client.connect(network.url)
            client.pending["q" + chat] = {"id": "q" + chat, "chat": chat, "text": play.target.question(12, 1)}
            await client.send("ask", **client.pending["q" + chat])
            await client.closed()
            network.reset_after = None
            await client.finish(chat)
        report = await holds(play, server)
    assert report.counts["cuts"] >= 20


async def test_back_while_the_old_socket_is_half_open(server: Server) -> None:
    """A client whose old link hangs without an end comes back on a new one and reads on, behind its cursor."""
    async with proxy(server.port) as network, playing(server.target(), "half-open") as play:
        client, chat = play.judge(), play.chat()
        await client.connect(network.url)
        answer = await client.ask(play.target.question(100, 5), chat=chat)
        await client.until(answer, 20)
        network.forget()
        client.leave_open()
        await client.come_back(chat)
        await client.ended()
        assert client.journal.got("resumed")[0]["answers"][0]["verdict"] == "resumed"
        await holds(play, server)


async def test_slow_link(server: Server) -> None:
    """Over a slow link three answers on one connection, resumed anew as they come, arrive as they should."""
    async with proxy(server.port) as network, playing(server.target(), "slow link") as play:
        network.receive_buffer, network.pause_s = 16_384, 0.0005
        client, chat = play.judge(complete=False), play.chat()
        await client.connect(network.url)
        answers = [await client.ask("/script tokens=200 size=4000", chat=chat) for _ in range(3)]
        epochs = {answer: client.answers[answer].epoch for answer in answers}
        for turn in range(3):
            await client.entries(30)
            await client.resume(chat, [{"answer": a, "epoch": epochs[a], "seq": 5 * turn} for a in answers])
        network.pause_s = 0.0
        await client.settled()
        for answer in answers:
            if not any(end["answer"] == answer for end in client.journal.got("end")):
                await client.next("end", answer=answer)
        await holds(play, server)


@pytest.fixture(scope="module", params=QUICK_LOGS_APART)
def server_of_many(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that tells users apart."""
    with serving(Server(tmp_path_factory.mktemp("users") / "data", "hooked", request.param)) as server:
        yield server


async def test_somebody_elses_answer(server_of_many: Server) -> None:
    """To another user an answer does not exist: its cursor is gone, its chat is empty, it can't be stopped or
    acknowledged, and the same ask id is another question."""
    ada, bob = (server_of_many.target(user) for user in ("ada", "bob"))
    async with playing(ada, "ada's") as play, playing(bob, "bob's") as other:
        client, chat = await play.connected(), play.chat()
        answer = await client.ask(ada.question(60, 10), chat=chat, id="the same id")
        await client.entries(5)
        thief = await other.connected(complete=False)
        cursor = {"answer": answer, "epoch": client.answers[answer].epoch, "seq": 2}
        assert [verdict["verdict"] for verdict in (await thief.resume(chat, [cursor]))["answers"]] == ["gone"]
        assert (await thief.resume(chat, []))["answers"] == []
        for kind, fields in (("stop", {}), ("ack", {"seq": 3})):
            await thief.send(kind, answer=answer, **fields)
            assert (await thief.next("error", answer=answer))["code"] == "unknown_answer"
        assert await thief.ask(bob.question(3), chat=chat, id="the same id") != answer
        await thief.ended()
        await client.ended()
        assert client.journal.got("end")[0]["state"] == "completed"
        for journals in (play, other):
            report = await journals.verdict(expect=scripted_text)
            assert report.ok, str(report)
