import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.delivery.served import System, served


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No test may make the server log an error, a traceback or a send after the close."""
    with caplog.at_level(logging.INFO), capture_logs() as events:
        yield
    assert [event for event in events if event["log_level"] in {"error", "critical"} or "exc_info" in event] == []
    noise = [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR or record.exc_info]
    assert [record.getMessage() for record in noise] == []


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[System]:
    async with served(tmp_path) as system:
        yield system
