"""The times of delivery reach the log beside the answers, also when the log stumbles or the server goes."""

import asyncio
from collections.abc import Mapping

from chatserver.answers.log import LogUnavailable
from chatserver.answers.memory import MemoryAnswerLog
from chatserver.delivery import timeline as timeline_module
from chatserver.delivery.timeline import Timeline
from tests.contracts.answer_logs import question
from tests.eventually import eventually


class MarkingLog(MemoryAnswerLog):
    def __init__(self) -> None:
        super().__init__()
        self.marking = 0
        self.open = asyncio.Event()
        self.away = False

    async def mark(self, answer: str, marks: Mapping[str, float]) -> None:
        self.marking += 1
        await self.open.wait()
        if self.away:
            raise LogUnavailable("away")
        await super().mark(answer, marks)


async def log_of(answers: int) -> MarkingLog:
    log = MarkingLog()
    for n in range(answers):
        await log.create(question(f"a{n}"))
    return log


async def times(log: MarkingLog, answers: int) -> list[dict[str, float]]:
    return [await log.timeline(f"a{n}") for n in range(answers)]


async def test_the_first_time_of_a_name_is_written() -> None:
    """Several connections note the same; the earliest note stays."""
    log = await log_of(1)
    log.open.set()
    timeline = Timeline(log)
    for at in (5.0, 6.0):
        timeline.note("a0", "first_send", at)
    timeline.note("a0", "delivered", 7.0)
    await timeline.flush()
    timeline.note("a0", "delivered", 9.0)
    await timeline.flush()
    assert await times(log, 1) == [{"first_send": 5.0, "delivered": 7.0}]


async def test_a_cancelled_write_keeps_the_rest() -> None:
    """The server goes while marks are written: at most the one under way is lost, the last flush writes the others."""
    log = await log_of(5)
    timeline = Timeline(log)
    for n in range(5):
        timeline.note(f"a{n}", "delivered", float(n))
    writing = asyncio.create_task(timeline.flush())
    await eventually(lambda: log.marking == 1)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    log.open.set()
    await timeline.flush()
    assert [bool(marks) for marks in await times(log, 5)].count(True) == 4


async def test_a_log_that_is_away_costs_one_mark_and_no_more() -> None:
    """What waits behind it is written the next time."""
    log = await log_of(3)
    log.open.set()
    log.away = True
    timeline = Timeline(log)
    for n in range(3):
        timeline.note(f"a{n}", "delivered", 1.0)
    await timeline.flush()
    log.away = False
    await timeline.flush()
    assert [bool(marks) for marks in await times(log, 3)].count(True) == 2


async def test_marks_that_wait_are_bounded() -> None:
    """Beyond the bound marks are dropped, never memory grown; those that wait take further names."""
    log = await log_of(0)
    timeline = Timeline(log)
    for n in range(timeline_module._WAITING + 100):
        timeline.note(f"a{n}", "delivered", 1.0)
    timeline.note("a0", "acknowledged", 2.0)
    assert len(timeline._waiting) == timeline_module._WAITING
    assert timeline._waiting["a0"] == {"delivered": 1.0, "acknowledged": 2.0}
