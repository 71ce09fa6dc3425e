"""Work beside what a context is opened for."""

import asyncio

import pytest

from chatserver.wiring.tended import tended


class Work:
    """Goes on until it is cancelled."""

    def __init__(self) -> None:
        self.begun, self.over = asyncio.Event(), asyncio.Event()

    async def done(self) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.over.set()


async def test_it_is_done_as_long_as_the_context_lasts() -> None:
    """It has begun before the context ends, and is over after it."""
    work = Work()

    async with tended(work.done(), "work"):
        await work.begun.wait()
        assert not work.over.is_set()
    assert work.over.is_set()


async def test_a_bug_in_it_ends_the_context() -> None:
    """Whoever waits inside is told of it at once, by the error itself."""

    async def work() -> None:
        raise LookupError("a bug")

    async def waits() -> None:
        async with tended(work(), "work"):
            await asyncio.Event().wait()

    with pytest.raises(LookupError, match="a bug"):
        await waits()


async def test_what_the_context_fails_with_is_told_as_it_is() -> None:
    """The work ends, and the error comes without a group around it."""
    work = Work()

    async def fails() -> None:
        async with tended(work.done(), "work"):
            await asyncio.sleep(0)
            raise LookupError("not here")

    with pytest.raises(LookupError, match="not here"):
        await fails()
    assert work.over.is_set()


async def test_who_is_cancelled_ends_it() -> None:
    """A cancellation of the context's owner is told as one, after the work is over."""
    work = Work()

    async def own() -> None:
        async with tended(work.done(), "work"):
            await asyncio.Event().wait()

    owner = asyncio.create_task(own())
    await work.begun.wait()
    owner.cancel()
    with pytest.raises(asyncio.CancelledError):
        await owner
    assert work.over.is_set()
