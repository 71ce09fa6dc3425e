from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True, scope="session")
def _quiet_logs() -> Iterator[None]:
    """Expected failures are logged with their stacks, which nobody reads here."""
    with structlog.testing.capture_logs():
        yield
