"""Replacing processes under load: SIGHUP and `--reload` on a copy of the source tree."""

import asyncio
import re
import shutil
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import websockets

from tests.delivery.conformance.judge import Closed, Judge
from tests.delivery.conformance.scenarios import Play, playing
from tests.delivery.conformance.server import QUICK_LOGS, ROOT, Server, holds, serving
from tests.eventually import eventually

PACKAGES = ("chatserver", "retrieval", "graph", "prompts")
RELOAD_S = 40.0
"""A reload takes as long as a start, and the machine may be busy."""
PAUSE_S = 0.02
"""Between two connects of one who knocks all the while."""
QUIET_S = 1.5
"""Longer than the watcher needs to notice a save."""


@pytest.fixture(scope="module", params=QUICK_LOGS)
def reloading(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that watches a copy of the source tree, so that a test may save into it."""
    root = tmp_path_factory.mktemp("reload")
    tree = root / "tree"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    for beside in ("scripts", "tests", "examples"):
        (tree / beside).mkdir()
    settings = {"CHATSERVER_DRAIN_S": "20"}
    server = Server(tree / "data", "serve --reload", request.param, settings, directory=tree, forgives="SyntaxError")
    with serving(server):
        yield server


def replaced(server: Server) -> int:
    """How often the processes were replaced."""
    return len(re.findall(r"\breplaced\b", server.printed()))


def wishes(server: Server) -> int:
    """How often it was seen that there was something to replace them for."""
    return server.printed().count("replacing the server processes")


def save(server: Server, *files: str, text: str = "") -> None:
    """As an editor saves: the same text again, and perhaps more; of several files one right after the other."""
    paths = [server.directory / file for file in files or ("chatserver/protocol/codes.py",)]
    texts = [(path.read_text() if path.exists() else "") + text for path in paths]
    for path, saved in zip(paths, texts, strict=True):
        path.write_text(saved)


async def reloads(server: Server, act: Callable[[], None], *, times: int = 1) -> None:
    """Acts, and waits until the processes were replaced so often, and not again."""
    before = replaced(server)
    act()
    await eventually(lambda: replaced(server) >= before + times, within_s=RELOAD_S)
    await asyncio.sleep(QUIET_S)
    assert replaced(server) == before + times


@asynccontextmanager
async def connecting(play: Play) -> AsyncIterator[list[str]]:
    """Somebody who connects, asks and leaves, all the while; gives the processes met. No connect is refused."""
    met: list[str] = []
    over = asyncio.Event()

    async def knock() -> None:
        while not over.is_set():
            client = play.judge(f" knocks {len(met)}")
            met.append(str((await client.connect())["server"]))
            chat, id = play.chat(f"knock-{len(met)}"), f"{play.chat()}-{len(met)}"
            client.pending[id] = {"id": id, "chat": chat, "text": play.target.question(2)}
            await client.send_if_connected("ask", **client.pending[id])
            await client.finish(chat)
            await client.close()
            await asyncio.sleep(PAUSE_S)

    knocking = asyncio.create_task(knock())
    try:
        yield met
    finally:
        over.set()
        await knocking


async def under_way(play: Play, count: int = 2) -> list[Judge]:
    """Clients with long answers that have begun."""
    clients = [(await play.asks(150, 20, f" {n}"))[0] for n in range(count)]
    for client in clients:
        await client.entries(10)
    return clients


async def finish_where_they_are(clients: list[Judge]) -> None:
    """The answers end on the connections that they began on."""
    for client in clients:
        await client.ended()
        assert len(list(client.journal.connections())) == 1


async def test_two_quick_saves_replace_the_process_once(reloading: Server) -> None:
    """Answers under way end in the old process, on their connections; no connect is refused; later ones are served by
    the new process."""

    async with playing(reloading.target(), "save") as play:
        clients = await under_way(play)
        async with connecting(play) as met:
            await eventually(lambda: len(met) > 0, within_s=RELOAD_S)
            await reloads(reloading, lambda: save(reloading, "chatserver/protocol/codes.py", "prompts/__init__.py"))
            await eventually(lambda: met[-1] != met[0], within_s=RELOAD_S)
        await finish_where_they_are(clients)
        assert len(set(met)) == 2
        report = await holds(play, reloading)
    assert report.counts["takeovers"] == 0


async def test_saves_elsewhere_do_nothing(reloading: Server) -> None:
    """A save in scripts, tests, examples or the data directory, of a cache or of a hidden file, is no reload."""
    before = replaced(reloading)
    for file in (
        "scripts/run.py",
        "tests/test_it.py",
        "examples/sample.md",
        "data/notes.py",
        "notes.py",
        "chatserver/__pycache__/codes.cpython-311.pyc",
        "chatserver/.codes.py.swp",
    ):
        (reloading.directory / file).parent.mkdir(exist_ok=True)
        save(reloading, file, text="#\n")
    async with playing(reloading.target(), "elsewhere") as play:
        await (await play.asks(12, 0))[0].ended()
        await holds(play, reloading)
    await asyncio.sleep(QUIET_S)
    assert replaced(reloading) == before


async def test_broken_code_keeps_the_old_process(reloading: Server) -> None:
    """New code that does not start is told of and never serves; once it is mended, it does."""
    before, whole = replaced(reloading), (reloading.directory / "chatserver/app.py").read_text()

    def mend() -> None:
        (reloading.directory / "chatserver/app.py").write_text(whole)

    async with playing(reloading.target(), "broken code") as play:
        save(reloading, "chatserver/app.py", text="\nthis is no Python\n")
        await eventually(lambda: "the new code does not start" in reloading.printed(), within_s=RELOAD_S)
        assert "SyntaxError" in reloading.printed(), "it says why"
        await (await play.asks(12, 0))[0].ended()
        assert replaced(reloading) == before
        await reloads(reloading, mend)
        await (await play.asks(12, 0))[0].ended()
        await holds(play, reloading)


@pytest.mark.slow
async def test_reload_twice(reloading: Server) -> None:
    """A save while a reload is under way is a second reload; answers that began before the first one end where they
    began."""
    async with playing(reloading.target(), "twice") as play:
        clients = await under_way(play)
        async with connecting(play):
            before, begun = replaced(reloading), wishes(reloading)
            save(reloading)
            await eventually(lambda: wishes(reloading) > begun)
            await reloads(reloading, lambda: save(reloading), times=2 - (replaced(reloading) - before))
        await finish_where_they_are(clients)
        report = await holds(play, reloading)
    assert report.counts["takeovers"] == 0


@pytest.mark.slow
async def test_hangup_rolls_the_workers(tmp_path: Path) -> None:
    """SIGHUP replaces all workers, the new ones first: no connect is refused, no answer is cut."""
    with serving(Server(tmp_path / "data", "serve --workers 2", settings={"CHATSERVER_DRAIN_S": "20"})) as server:
        old = {process.pid for process in server.processes()}
        async with playing(server.target(), "hangup") as play:
            clients = await under_way(play, 4)
            async with connecting(play):
                await reloads(server, lambda: server.signal(signal.SIGHUP))
            await finish_where_they_are(clients)
            await eventually(lambda: len({p.pid for p in server.processes()} - old) == 2, within_s=20)
            report = await holds(play, server)
    assert report.counts["takeovers"] == 0


@pytest.mark.slow
async def test_a_connect_is_never_refused_or_dropped(tmp_path: Path) -> None:
    """Through three rolls in a row, each connect is accepted at once or waits; none is reset and none is closed without
    a code that says to come back."""
    with serving(Server(tmp_path / "data", "serve", settings={"CHATSERVER_DRAIN_S": "2"})) as server:
        async with playing(server.target(), "hand-over") as play:
            over = asyncio.Event()
            codes: list[int] = []
            refused: list[Exception] = []

            async def knock(name: str) -> None:
                while not over.is_set():
                    client = play.judge(f"{name} {len(codes)}", complete=False)
                    try:
                        await client.connect()
                        await client.settled()
                        await client.close()
                        codes.append(1000)
                        await asyncio.sleep(PAUSE_S)
                    except Closed as closed:
                        codes.append(closed.code)
                    except (OSError, websockets.InvalidHandshake) as error:
                        refused.append(error)

            knocking = [asyncio.create_task(knock(f" {n}")) for n in range(4)]
            for roll in range(3):
                server.signal(signal.SIGHUP)
                await eventually(lambda roll=roll: replaced(server) > roll, within_s=RELOAD_S)  # type: ignore[misc]
            over.set()
            await asyncio.gather(*knocking)
    assert refused == []
    assert set(codes) <= {1000, 1012}
    assert len(codes) > 50
