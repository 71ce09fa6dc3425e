"""A server process as its supervisor sees it."""

import asyncio
import contextlib
import json
import signal
import socket
import sys
from collections.abc import Mapping
from typing import Any, Self

READY = b"ready\n"
"""What a process writes to its supervisor once it accepts connections."""


class StartFailed(Exception):
    """The process ended before it was ready; what it said went to our standard error."""


class ServerProcess:
    """Create it with `start`; every one is to be awaited with `wait`."""

    def __init__(self, process: asyncio.subprocess.Process, channel: socket.socket) -> None:
        self._process = process
        self._channel = channel
        self._reading = asyncio.Lock()

    @classmethod
    async def start(cls, listener: socket.socket, options: Mapping[str, Any]) -> Self:
        """A fresh interpreter, so that it runs the code as it is now. In a process group of its own: a Ctrl-C in the
        terminal reaches the supervisor alone. Raises `StartFailed` when the socket has been closed."""
        if listener.fileno() < 0:
            raise StartFailed("the server is about to end")
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "chatserver.supervisor.server",
                    f"--listener={listener.fileno()}",
                    f"--channel={theirs.fileno()}",
                    f"--options={json.dumps(options)}",
                    pass_fds=[listener.fileno(), theirs.fileno()],
                    process_group=0,
                )
        except BaseException:  # told to end in the middle of it: the process is ended by asyncio
            ours.close()
            raise
        return cls(process, ours)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ready(self) -> None:
        """Returns once the process accepts connections. Raises `StartFailed`."""
        if await self._first_word() != READY:
            raise StartFailed(f"process {self.pid} ended with {await self.wait()} before it was ready")

    def drain(self) -> None:
        """Asks it to end when its answers have ended or are handed over."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    async def wait(self) -> int:
        """Its exit code, once it has ended."""
        code = await self._process.wait()
        async with self._reading:  # whoever waits for `ready` reads the end of the channel first
            self._channel.close()
        return code

    async def _first_word(self) -> bytes:
        async with self._reading:
            if self._channel.fileno() < 0:  # ended before anybody waited
                return b""
            return await asyncio.get_running_loop().sock_recv(self._channel, len(READY))

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)
