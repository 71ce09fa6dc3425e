"""A server process as its supervisor sees it: real processes that end before they are ready."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from chatserver.supervisor.process import ServerProcess, StartFailed

BROKEN = {"no_such_option": True}
"""Options that end the process while it starts."""


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


async def test_an_end_before_anybody_waited_is_a_failed_start(listener: socket.socket) -> None:
    """`ready` says so also when the end was noticed first."""
    process = await ServerProcess.start(listener, BROKEN)
    assert await process.wait() == 1
    with pytest.raises(StartFailed):
        await process.ready()


async def test_an_end_while_two_wait_is_told_to_both(listener: socket.socket) -> None:
    """The supervisor waits for readiness and for the end at once; neither gets in the other's way."""
    process = await ServerProcess.start(listener, BROKEN)
    ready, code = await asyncio.gather(process.ready(), process.wait(), return_exceptions=True)
    assert isinstance(ready, StartFailed)
    assert code == 1


async def test_a_kill_before_it_is_ready_is_a_failed_start(listener: socket.socket) -> None:
    """A process that is killed while it starts is no reason for its supervisor to end."""
    process = await ServerProcess.start(listener, {})
    process.kill()
    with pytest.raises(StartFailed):
        await process.ready()
    assert await process.wait() == -9
