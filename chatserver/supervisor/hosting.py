"""A worker beside a server, there while there is work.

Parsing, embedding and linking keep a processor and the interpreter's lock busy, and a parser or an embedder may take
the process with it: so jobs run in a process of their own. It starts when there is something to run and ends when
there has been nothing for a while. With Redis, where jobs have workers of their own, it runs none: it does at the data
directory what those on other machines ask of it. Several servers of one directory may have a worker each: the log
decides who runs what.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import structlog

from chatserver.answers.log import LogUnavailable
from chatserver.settings import Settings, to_environment

log = structlog.get_logger(__name__)

IDLE_S: Final = 5.0
_LOOK_S: Final = 2.0
"""How soon a job is seen whose worker has died, or that another server was given."""
_LOOK_FOR_ERRANDS_S: Final = 0.5
"""Somebody waits for each."""
_AGAIN_S: Final = 1.0


class WorkerHost:
    """Run `run` as a task; `drain` when the server is to end."""

    def __init__(
        self,
        settings: Settings,
        has_work: Callable[[], Awaitable[bool]],
        work: asyncio.Event,
        *,
        idle_s: float = IDLE_S,
    ) -> None:
        self._settings = settings
        self._asks = has_work
        self._work = work
        self._idle_s = idle_s
        self._keeps = settings.redis.url is not None
        self._look_s = _LOOK_FOR_ERRANDS_S if self._keeps else _LOOK_S
        self._process: asyncio.subprocess.Process | None = None
        self._draining = False
        self._is_away = False

    @property
    def pid(self) -> int | None:
        """Of the worker, while there is one."""
        return None if self._process is None else self._process.pid

    async def run(self) -> None:
        while not self._draining:
            self._work.clear()
            if await self._has_work() and not self._draining:
                if not await self._has_ended_well() and not self._draining:
                    await asyncio.sleep(_AGAIN_S)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(self._look_s):
                    await self._work.wait()

    async def drain(self) -> None:
        """The worker hands over what it runs, and ends."""
        self._draining = True
        self._work.set()
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.terminate()
            await self._process.wait()

    async def _has_work(self) -> bool:
        try:
            has_work = await self._asks()
        except LogUnavailable as error:
            if not self._is_away:  # said once
                log.warning("cannot look for work", error=str(error))
            self._is_away = True
            return False
        self._is_away = False
        return has_work

    async def _has_ended_well(self) -> bool:
        """Runs a worker. A machine that has no process, memory or descriptor for one is no end of the server."""
        try:
            code = await self._run_worker()
        except OSError as error:
            log.error("worker not started", error=str(error))
            return False
        if code != 0 and not self._draining:
            log.error("worker ended", code=code)
        return code == 0

    async def _run_worker(self) -> int:
        """In a process group of its own: a Ctrl-C in the terminal reaches the server alone, which drains."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CHATSERVER_")}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "chatserver.supervisor.worker",
            f"--idle={self._idle_s}",
            *(["--keeps"] if self._keeps else []),
            stdin=asyncio.subprocess.PIPE,
            env={**inherited, **to_environment(self._settings)},
            process_group=0,
        )
        self._process = process
        try:
            return await process.wait()
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):
                process.kill()  # what it runs is claimed again when its lease has ended
            await process.wait()
            raise
        finally:
            self._process = None
