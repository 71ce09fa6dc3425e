import asyncio
import threading
from concurrent.futures import CancelledError

import pytest

from retrieval.background import BackgroundLoop


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


async def fail() -> None:
    raise LookupError("told to the caller")


def test_coroutines_run_to_their_end_from_any_thread() -> None:
    """Results and exceptions come back to the synchronous caller; one thread serves all."""
    loop = BackgroundLoop("test-loop")
    assert [loop.run(double(i)) for i in range(3)] == [0, 2, 4]
    with pytest.raises(LookupError):
        loop.run(fail())
    assert sum(thread.name == "test-loop" for thread in threading.enumerate()) == 1
    loop.close()
    assert not any(thread.name == "test-loop" for thread in threading.enumerate())


async def test_a_caller_inside_a_running_loop_is_served() -> None:
    """A notebook has a running loop; a synchronous call from it works all the same."""
    loop = BackgroundLoop()
    assert loop.run(double(21)) == 42
    loop.close()


def test_closing_is_idempotent_and_cancels_what_runs() -> None:
    """A waiting caller is released, and the loop can be used again."""
    loop = BackgroundLoop()
    started, outcome = threading.Event(), []

    async def forever() -> None:
        started.set()
        await asyncio.Event().wait()

    def wait() -> None:
        try:
            loop.run(forever())
        except CancelledError as error:
            outcome.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    started.wait()
    loop.close()
    loop.close()
    thread.join(60)
    assert not thread.is_alive()
    assert len(outcome) == 1
    assert loop.run(double(1)) == 2
    loop.close()
