"""Asynchronous parts for callers that are not: scripts, notebooks, libraries with synchronous interfaces."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class BackgroundLoop:
    """An event loop in a thread of its own, started by the first `run`. Usable from any thread, also one that has a
    running loop (a notebook's); it then blocks that loop, as every synchronous call does."""

    def __init__(self, name: str = "background-loop") -> None:
        self._name = name
        self._starting = threading.Lock()
        self._running: tuple[asyncio.AbstractEventLoop, threading.Thread] | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs the coroutine to its end and gives its result or exception. An interrupt of the wait (Ctrl-C)
        cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop())
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Cancels what runs, ends the thread. Idempotent; a later `run` starts anew."""
        with self._starting:
            running, self._running = self._running, None
        if running is not None:
            loop, thread = running
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    def _loop(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._running is None:
                loop = asyncio.new_event_loop()
                thread = threading.Thread(target=_serve, args=(loop,), name=self._name, daemon=True)
                thread.start()
                self._running = loop, thread
            return self._running[0]


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:  # on leaving it cancels the tasks and closes the loop
        runner.get_loop().run_forever()
