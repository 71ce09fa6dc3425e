"""A worker: a process that runs jobs, `python -m chatserver.supervisor.worker` or `chatserver worker`.

It is nicer than a server to whoever else wants the processor, so that a search does not wait for an ingest. SIGTERM
and SIGINT make it hand over what it runs and end; so does, for one that a server has started, the end of that server.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog

from chatserver.edge.heap import collect_rarely
from chatserver.edge.logs import configure_logs
from chatserver.settings import Settings, load_settings
from chatserver.wiring import open_keeper, open_worker

log = structlog.get_logger(__name__)

NICENESS: Final = 10
_LOOK_S: Final = 0.2


async def work(
    settings: Settings,
    *,
    idle_s: float | None = None,
    parent: int | None = None,
    keeps: bool = False,
    metrics_at: tuple[str, int] | None = None,
) -> None:
    """Until it is told to end, has had nothing to do for `idle_s`, or nobody holds the other end of `parent`. With
    `keeps` it runs no jobs, but does the errands of those who run them on other machines. Its numbers are told at
    that host and port. Raises `NotServed`."""
    collect_rarely()
    with suppress(OSError):  # already as nice as it may be
        os.nice(NICENESS)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    if parent is not None:
        loop.add_reader(parent, ended.set)
    async with open_keeper(settings) if keeps else open_worker(settings, metrics_at) as busy:
        log.info("worker does errands" if keeps else "worker runs jobs", pid=os.getpid())
        await _until(ended, busy, idle_s)


async def _until(ended: asyncio.Event, busy: Callable[[], bool], idle_s: float | None) -> None:
    loop = asyncio.get_running_loop()
    busy_at = loop.time()
    while not ended.is_set():
        if busy():
            busy_at = loop.time()
        if idle_s is not None and loop.time() - busy_at > idle_s:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_S):
                await ended.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--idle", type=float, help="end after so many seconds without work")
    parser.add_argument("--keeps", action="store_true", help="do errands for workers on other machines alone")
    arguments = parser.parse_args()
    settings = load_settings()
    configure_logs(questions=settings.logs.questions)
    asyncio.run(work(settings, idle_s=arguments.idle, parent=sys.stdin.fileno(), keeps=arguments.keeps))


if __name__ == "__main__":
    main()
