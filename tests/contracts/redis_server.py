"""A Redis of the tests' own: Debian's `redis-server` on a unix socket in a directory of its own."""

import atexit
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

START_S = 60.0
JOURNALED = ("--appendonly", "yes", "--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0")
"""Options of one that keeps what it was told, in one file."""


def require_redis() -> None:
    """Skips the test where there is no Redis; in CI that is a failure."""
    if shutil.which("redis-server") is None:
        message = "Debian's redis-server is not installed"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)


@dataclass
class RedisServer:
    """`port` 0: a unix socket alone. What it keeps on disk stays in `directory` from one start to the next."""

    directory: Path
    options: Sequence[str] = ("--save", "")
    port: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def socket(self) -> Path:
        return self.directory / "redis.sock"

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}" if self.port else f"unix://{self.socket}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> "RedisServer":
        self._process = subprocess.Popen(
            [
                "redis-server",
                "--port",
                str(self.port),
                "--bind",
                "127.0.0.1",
                "--unixsocket",
                str(self.socket),
                "--dir",
                str(self.directory),
                "--loglevel",
                "warning",
                *self.options,
            ],
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_S
        while not self.says("PING").startswith("PONG"):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"redis-server does not start (exit code {self._process.poll()})")
            time.sleep(0.005)
        return self

    def says(self, *command: str) -> str:
        """What `redis-cli` prints."""
        cli = ["redis-cli", "-s", str(self.socket), *command]
        return subprocess.run(cli, capture_output=True, text=True, check=False).stdout.strip()

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """As when the machine kills it; nothing is saved."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(60)

    def written(self) -> None:
        """All that it was told is in its append-only file: with `everysec` it keeps that to itself for up to two
        seconds while a sync of the disk takes its time."""
        deadline = time.monotonic() + START_S
        while "aof_buffer_length:0" not in self.says("INFO", "persistence").split():
            assert time.monotonic() < deadline, "Redis does not write"
            time.sleep(0.01)

    def journal_size(self) -> int:
        """Bytes of the append-only file, with what it was told so far; with `JOURNALED`."""
        self.written()
        return self._journal().stat().st_size

    def forget_after(self, size: int) -> None:
        """Of a killed one: what it has written since is lost, as what was not on the disk is when the power goes."""
        with self._journal().open("r+b") as file:
            file.truncate(size)

    def _journal(self) -> Path:
        return max((self.directory / "appendonlydir").glob("*.incr.aof"))


@cache
def standalone_redis() -> RedisServer:
    """One for all process tests, with a database for each; it ends with this process."""
    require_redis()
    directory = tempfile.TemporaryDirectory()
    server = RedisServer(Path(directory.name), ("--save", "", "--databases", "1000")).start()
    atexit.register(directory.cleanup)
    atexit.register(server.kill)
    return server


@contextmanager
def redis_server(directory: Path, *options: str, port: int = 0) -> Iterator[RedisServer]:
    """Started; killed at the end."""
    require_redis()
    server = RedisServer(directory, ("--save", "", *options), port)
    try:
        yield server.start()
    finally:
        server.kill()
