"""Draining on SIGTERM and SIGINT, under any way of running the app.

Theory of operation
    uvicorn closes every WebSocket at once when it is told to exit, and runs the lifespan's shutdown last: a drain
    there would come too late. But the lifespan's *start-up* runs after uvicorn has installed its signal handlers, in
    the server process of `uvicorn`, `--workers` and `--reload` alike. So we put our handler before uvicorn's: the
    first signal starts the drain with the sockets still open, and only its end passes the signal on. A second signal
    passes at once, which makes uvicorn exit now.
"""

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import structlog

log = structlog.get_logger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def drain_on_signals(group: asyncio.TaskGroup, drain: Callable[[], Awaitable[None]]) -> Iterator[None]:
    """While open, the first SIGTERM or SIGINT runs `drain` as a task of `group` before the handler that was there.
    Outside the main thread, where Python delivers no signal, it does nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    previous: dict[int, Any] = {}
    begun = threading.Event()

    async def drain_then_exit(signum: int) -> None:
        try:
            await drain()
        except Exception:
            log.exception("drain failed, exiting all the same")
        _pass_on(previous[signum], signum, None)

    def on_signal(signum: int, frame: FrameType | None) -> None:
        if begun.is_set():
            _pass_on(previous[signum], signum, frame)
            _pass_on(previous[signum], signum, frame)  # the first only asks uvicorn to exit, the second forces it
            return
        begun.set()
        loop.call_soon_threadsafe(lambda: group.create_task(drain_then_exit(signum), name="drain"))

    for number in SIGNALS:
        previous[number] = signal.signal(number, on_signal)
    try:
        yield
    finally:
        for number in SIGNALS:
            if signal.getsignal(number) is on_signal:
                signal.signal(number, previous[number])


def _pass_on(handler: Any, signum: int, frame: FrameType | None) -> None:
    if callable(handler):
        handler(signum, frame)
    elif handler == signal.SIG_DFL:
        signal.signal(signum, signal.SIG_DFL)
        signal.raise_signal(signum)
