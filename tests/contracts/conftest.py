from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chatserver.answers.log import AnswerLog
from tests.contracts.answer_logs import IMPLEMENTATIONS, Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=sorted(IMPLEMENTATIONS))
async def log(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[AnswerLog]:
    async with IMPLEMENTATIONS[request.param](tmp_path, clock) as log:
        yield log
