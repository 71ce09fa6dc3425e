import asyncio

import pytest

from chatserver.pipeline.deadline import Deadline, DeadlineExpired


async def value(result: int) -> int:
    return result


async def test_work_in_time_gives_its_result() -> None:
    """Before the deadline each await gives its result."""
    with Deadline(60) as deadline:
        assert [await deadline.wait(value(n)) for n in range(3)] == [0, 1, 2]


async def test_work_that_is_late_is_cancelled() -> None:
    """The deadline cancels what is awaited and says so, and nothing after it runs."""
    never = asyncio.Event()
    with Deadline(0.01) as deadline:
        with pytest.raises(DeadlineExpired):
            await deadline.wait(never.wait())
        with pytest.raises(DeadlineExpired):
            await deadline.wait(asyncio.sleep(60))
    await asyncio.sleep(0)  # the task itself is not left cancelled


async def test_a_deadline_between_awaits_hits_the_next_one() -> None:
    """Time spent elsewhere, as by the consumer of a generator, is not interrupted but counts."""
    with Deadline(0.01) as deadline:
        await deadline.wait(value(1))
        await asyncio.sleep(0.02)
        with pytest.raises(DeadlineExpired):
            await deadline.wait(asyncio.sleep(0))


async def test_cancellation_from_outside_stays_cancellation() -> None:
    """Cancelling the task is not taken for the deadline."""

    async def work() -> None:
        with Deadline(60) as deadline:
            await deadline.wait(asyncio.Event().wait())

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_both_at_once_is_cancellation() -> None:
    """A task that is cancelled while the deadline cancels it too ends cancelled."""

    async def work() -> None:
        with Deadline(0) as deadline:
            asyncio.get_running_loop().call_soon(task.cancel)
            await deadline.wait(asyncio.Event().wait())

    task = asyncio.create_task(work())
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_work_that_outlives_its_cancellation_leaves_no_trace() -> None:
    """When the work answers in spite of the deadline, its result counts and the task is not cancelled later."""

    async def stubborn() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "anyway"
        return ""

    with Deadline(0.01) as deadline:
        assert await deadline.wait(stubborn()) == "anyway"
    await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()
