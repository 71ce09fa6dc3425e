"""What holds for every test, and what a run says at its end; the suite runs in several processes (pytest-xdist)."""

import gc
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from hypothesis import settings

from tests.contracts.redis_server import RedisServer, redis_server

# What a test takes on a busy machine says nothing; how long it may hang is pytest-timeout's affair. The profile that
# hypothesis loads by itself, in CI a derandomised one, stays as it is otherwise.
current = settings.get_profile(settings.get_current_profile_name())
settings.register_profile("no deadline", parent=current, deadline=None)
settings.load_profile("no deadline")

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
