import pytest

from tests.contracts.neo4j_server import started


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Which graph server the tests ran on is a part of what they say."""
    for server in started():
        terminalreporter.write_line(f"graph server: {server.agent} over Bolt")
