import pytest

from tests.contracts.answer_logs import Clock
from tests.generation.scripted import TestingLog


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def log(clock: Clock) -> TestingLog:
    return TestingLog(clock)
