"""What holds for every test, and what a run says at its end; the suite runs in several processes (pytest-xdist)."""

import asyncio
import gc
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.contracts.redis_server import RedisServer, redis_server
from tests.scheduling import Units, in_order

# What a test takes on a busy machine says nothing; how long it may hang is pytest-timeout's affair. The profile that
# hypothesis loads by itself, in CI a derandomised one, stays as it is otherwise.
current = settings.get_profile(settings.get_current_profile_name())
settings.register_profile("no deadline", parent=current, deadline=None)
settings.load_profile("no deadline")

SAMPLE = Path(__file__).parents[1] / "examples" / "cooling-unit"
GRAPH_SERVERS = pytest.StashKey[set[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[GRAPH_SERVERS] = set()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported and collected stays to the end: no search for garbage looks through it, then or later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = in_order(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Units | None:
    return Units(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    from tests.contracts.neo4j_server import started

    agents = session.config.stash[GRAPH_SERVERS]
    agents.update({server.agent for server in started()})
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["graph_servers"] = sorted(agents)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """One of pytest-xdist's processes has ended: what it has said of its graph server is kept for the summary."""
    said: list[str] = getattr(node, "workeroutput", {}).get("graph_servers", [])
    node.config.stash[GRAPH_SERVERS].update(said)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Which graph server the tests ran on is a part of what they say."""
    agents = config.stash[GRAPH_SERVERS]
    for agent in sorted(agents):
        terminalreporter.write_line(f"graph server: {agent} over Bolt")


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis for the tests of one module; what one leaves there the next one finds."""
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with the whole sample. It is every test's: who opens it copies it first."""
    from chatserver.settings import Settings, Storage
    from chatserver.wiring import open_knowledge

    directory = tmp_path_factory.mktemp("sample") / "data"

    async def ingest() -> None:
        async with open_knowledge(Settings(storage=Storage(data_dir=directory))) as knowledge:
            report = await knowledge.ingestion.ingest_paths([SAMPLE])
            assert (report.errors, report.skipped) == ([], [])

    asyncio.run(ingest())
    return directory
