"""The `FileParser` whose parsers run in processes of their own (`chatserver.ingest.formats.process`)."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import orjson

from chatserver.ingest.formats.parsed import Bounds, Parsed, Unreadable

_MODULE: Final = "chatserver.ingest.formats.process"
_PASSED_ON: Final = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
_GRACE_S: Final = 30.0
"""Beyond the time of a file, for a process that has to start or is to end on a busy machine."""


class IsolatedParser:
    """Processes start with the first file that needs one, at most `processes`, and stay until `aclose`. One that is
    lost costs its file; the next file has a new one."""

    def __init__(self, bounds: Bounds, *, processes: int = 2) -> None:
        self._bounds = bounds
        self._places = asyncio.Semaphore(processes)
        self._idle: list[Process] = []

    async def parse(self, path: Path, format: str) -> Parsed:
        size = (await _known(path.stat)).st_size
        if size > self._bounds.size:
            raise Unreadable("file_too_large", f"{size} bytes; {self._bounds.size} are read at most")
        request = {"path": str(path), "format": format, "bounds": asdict(self._bounds)}
        async with self._places:
            reply = await self._ask(orjson.dumps(request))
        if "code" in reply:
            raise Unreadable(reply["code"], reply["message"])
        return Parsed(**reply)

    async def aclose(self) -> None:
        while self._idle:
            await _ended(self._idle.pop())

    async def _ask(self, request: bytes) -> dict[str, Any]:
        process = self._idle.pop() if self._idle else await _started()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            async with asyncio.timeout(self._bounds.seconds + _GRACE_S):
                process.stdin.write(request + b"\n")
                await process.stdin.drain()
                size = int.from_bytes(await process.stdout.readexactly(8), "big")
                reply: dict[str, Any] = orjson.loads(await process.stdout.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionError):
            await _ended(process)
            raise Unreadable("parser_crashed", "its reader was ended from outside") from None
        except TimeoutError:
            await _ended(process)
            raise Unreadable("too_slow", "reading it took too long and was ended") from None
        except BaseException:
            await asyncio.shield(_ended(process))
            raise
        self._idle.append(process)
        return reply


async def _known(look: Callable[[], os.stat_result]) -> os.stat_result:
    try:
        return await asyncio.to_thread(look)
    except OSError:
        raise Unreadable("unreadable_file", "the file can't be read") from None


async def _started() -> Process:
    """With an environment that holds no keys."""
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    try:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-m", _MODULE, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environment
        )
    except OSError:
        raise Unreadable("parser_unavailable", "no process could be started to read it") from None


async def _ended(process: Process) -> None:
    """It ends with its stdin, and what it is parsing does too."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(_GRACE_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
