"""Keeps server processes running on one listening socket, and replaces them without refusing a connection.

Theory of operation
    The socket is ours and stays open, so a connect always succeeds: at worst it waits in the backlog. To replace the
    processes (a reload, SIGHUP) the new ones are started first; only when all of them accept are the old ones told to
    drain, which stops them accepting and lets them end their answers beside the new ones. When a new one does not
    start, the old ones never hear of it. A process that dies is started again, more slowly each time.
    When all is to end, the socket is closed at once: a connect that would wait for nobody is refused, and a proxy goes
    to the next node. (One that was handed to us stays open with whoever handed it, such as systemd.)

    Wishes to replace that come while one is under way are one more replacement after it.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from chatserver.supervisor.process import ServerProcess, StartFailed

log = structlog.get_logger(__name__)

_BACKOFF_S = (0.1, 0.5, 1.0, 2.0, 5.0)
_STEADY_S = 30.0
"""A process that lived so long was not in a crash loop."""
_GRACE_S = 3.0


@dataclass(frozen=True, slots=True)
class Timing:
    """`start_s`: a new process must be ready by then; a machine that is slow to start one is not made faster by giving
    up and beginning again. `drain_s`: the drain budget of a process; it is killed when it has not ended 3 s after."""

    start_s: float = 120.0
    drain_s: float = 25.0


class Supervisor:
    """`start` makes one server process; `changes` gives source changes (None: no reload);
    `on_ready` is called when the first ones accept, `on_stop` when they are to end and nobody will follow."""

    def __init__(
        self,
        start: Callable[[], Awaitable[ServerProcess]],
        *,
        workers: int,
        timing: Timing,
        changes: AsyncIterator[frozenset[str]] | None = None,
        on_ready: Callable[[], None] = lambda: None,
        on_stop: Callable[[], None] = lambda: None,
    ) -> None:
        self._start = start
        self._workers = workers
        self._timing = timing
        self._changes = changes
        self._on_ready = on_ready
        self._when_stopped = on_stop
        self._serving: set[ServerProcess] = set()
        self._alive: set[ServerProcess] = set()
        self._replace = asyncio.Event()
        self._stop = asyncio.Event()
        self._deaths = 0

    async def run(self) -> int:
        """Until SIGTERM or SIGINT; returns the exit code: 1 when the first processes did not start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop)
        loop.add_signal_handler(signal.SIGHUP, self._on_replace, "SIGHUP")
        try:
            async with asyncio.TaskGroup() as group:
                code = await self._supervise(group)
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)
        return code

    async def _supervise(self, group: asyncio.TaskGroup) -> int:
        stopped = group.create_task(self._stop.wait())
        keepers = [group.create_task(self._watch())]  # first: a save while they start is one that they may not have
        started = group.create_task(self._replace_all(group))
        await asyncio.wait({stopped, started}, return_when=asyncio.FIRST_COMPLETED)
        if not started.done():
            started.cancel()
        elif not started.result():
            stopped.cancel()
            keepers[0].cancel()
            return 1
        else:
            self._on_ready()
            keepers.append(group.create_task(self._keep_replacing(group)))
            await stopped
        for keeper in keepers:
            keeper.cancel()
        await asyncio.wait(keepers)
        for process in self._alive:
            self._retire(process)
        return 0  # the group waits for the processes' guardians

    async def _keep_replacing(self, group: asyncio.TaskGroup) -> None:
        while True:
            await self._replace.wait()
            self._replace.clear()
            await self._replace_all(group)

    async def _replace_all(self, group: asyncio.TaskGroup) -> bool:
        """New processes first; the old ones drain once all new ones accept."""
        fresh = await self._start_ready(group, self._workers)
        if fresh is None:
            if self._serving:
                log.error("the new code does not start: the old processes keep serving")
            return False
        retired, self._serving = self._serving, set(fresh)
        for process in retired:
            self._retire(process)
        for process in self._serving - self._alive:  # accepted and died before it was our turn again
            group.create_task(self._replace_dead(process, group))
        if retired:
            log.info("replaced", new=[process.pid for process in fresh], old=[process.pid for process in retired])
        return True

    async def _start_ready(self, group: asyncio.TaskGroup, count: int) -> Sequence[ServerProcess] | None:
        """So many processes that accept; None, and none of them left, when one of them does not."""
        fresh: list[ServerProcess] = []
        try:
            async with asyncio.timeout(self._timing.start_s):
                for _ in range(count):
                    process = await self._start()
                    fresh.append(process)
                    self._alive.add(process)
                    group.create_task(self._guard(process, group), name=f"guard {process.pid}")
                    if self._stop.is_set():  # all others have been told to end already
                        raise StartFailed("the server is about to end")
                for process in fresh:
                    await process.ready()
        except (StartFailed, TimeoutError) as error:
            log.error("a server process did not start", reason=str(error) or "it was not ready in time")
            for process in fresh:
                process.kill()
            return None
        except asyncio.CancelledError:
            for process in fresh:
                process.kill()
            raise
        return fresh

    async def _guard(self, process: ServerProcess, group: asyncio.TaskGroup) -> None:
        """Waits for the end of a process, and starts another when it was needed."""
        loop = asyncio.get_running_loop()
        born = loop.time()
        code = await process.wait()
        self._alive.discard(process)
        self._deaths = 0 if loop.time() - born > _STEADY_S else self._deaths
        if process in self._serving and not self._stop.is_set():
            log.error("a server process died", pid=process.pid, code=code)
            await self._replace_dead(process, group)

    async def _replace_dead(self, process: ServerProcess, group: asyncio.TaskGroup) -> None:
        """Unless all are replaced meanwhile: then there is one already in its place, of the newest code."""
        serving, fresh = self._serving, None
        serving.discard(process)
        while fresh is None and serving is self._serving and await self._pause():
            fresh = await self._start_ready(group, 1)
        if serving is self._serving:
            serving.update(fresh or ())
        else:
            for late in fresh or ():
                self._retire(late)

    async def _pause(self) -> bool:
        """Waits before another try, longer each time; False when there is to be none."""
        wait_s = _BACKOFF_S[min(self._deaths, len(_BACKOFF_S) - 1)]
        self._deaths += 1
        try:
            async with asyncio.timeout(wait_s):
                await self._stop.wait()
        except TimeoutError:
            return True
        return False

    def _retire(self, process: ServerProcess) -> None:
        process.drain()
        asyncio.get_running_loop().call_later(self._timing.drain_s + _GRACE_S, self._kill_late, process)

    def _kill_late(self, process: ServerProcess) -> None:
        if process in self._alive:
            log.error("a server process did not end in time", pid=process.pid)
            process.kill()

    async def _watch(self) -> None:
        if self._changes is not None:
            async for paths in self._changes:
                self._on_replace(f"{len(paths)} source files changed")

    def _on_replace(self, reason: str) -> None:
        log.info("replacing the server processes", reason=reason)
        self._replace.set()

    def _on_stop(self) -> None:
        """The first signal drains, the second kills."""
        if self._stop.is_set():
            for process in self._alive:
                process.kill()
        else:
            self._when_stopped()
        self._stop.set()
