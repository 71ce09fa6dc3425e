"""chatserver as real processes: started in every way that it can be, signalled, killed, and held to a clean end."""

import contextlib
import http.client
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from chatserver.models.scripted import parse_script
from tests.contracts.redis_cluster import shared_cluster
from tests.contracts.redis_server import RedisServer, standalone_redis
from tests.delivery.conformance.checker import Report
from tests.delivery.conformance.judge import Target
from tests.delivery.conformance.scenarios import Play
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[3]
START_S = 150.0
"""The machine may be busy; the server itself gives up after 120 s."""
_LEASE_S = "15"
"""No pause of a busy machine, no commit on a slow disk is a reason to take an answer over."""
DOOMED = {"CHATSERVER_LEASE_S": "3"}
"""Of one that is to die, so that nobody waits for its answers for long."""

_BIN = Path(sys.executable).parent
_UVICORN = (sys.executable, "-m", "uvicorn")
_OPTIONS = ("--timeout-graceful-shutdown", "1", "--no-access-log", "--log-level", "warning")

APP = "chatserver.app:app"
HOOKED = "tests.delivery.conformance.hooked:app"
"""The same application with faults in the process, see there."""

WAYS: Mapping[str, Sequence[str]] = {
    "serve": (str(_BIN / "chatserver"), "serve"),
    "serve --workers 2": (str(_BIN / "chatserver"), "serve", "--workers", "2"),
    "serve --reload": (str(_BIN / "chatserver"), "serve", "--reload"),
    "uvicorn": (*_UVICORN, APP, *_OPTIONS),
    "uvicorn --workers 2": (*_UVICORN, APP, *_OPTIONS, "--workers", "2"),
    "uvicorn --reload": (*_UVICORN, APP, *_OPTIONS, "--reload", "--reload-dir", str(ROOT / "prompts")),
    "hooked": (*_UVICORN, HOOKED, *_OPTIONS),
}
"""How the server can be started; host and port are added."""

_NOISE = ("after sending 'websocket.close'", "Traceback", "Unexpected ASGI message", "exception was never retrieved")


@dataclass(frozen=True, slots=True)
class LogUnderTest:
    """An implementation of the answer log: what makes a server use it, and who owns an answer as seen from beside."""

    environment: Callable[[Path], Mapping[str, str]]
    owners: Callable[[Path], Mapping[str, tuple[int, str | None]]]
    """Answer to its generation and owner."""


def _sqlite_owners(directory: Path) -> dict[str, tuple[int, str | None]]:
    with closing(sqlite3.connect(f"file:{directory / 'answers.db'}?mode=ro", uri=True, timeout=30)) as db:
        return {
            id: (generation, owner) for id, generation, owner in db.execute("SELECT id, generation, owner FROM answers")
        }


_databases: dict[Path, int] = {}


def redis_url(directory: Path) -> str:
    """The directory's own database in the tests' Redis."""
    number = _databases.setdefault(directory, len(_databases))
    return f"{standalone_redis().url}?db={number}"


def owners_in(redis: RedisServer, database: int = 0) -> dict[str, tuple[int, str | None]]:
    """Of every answer in this Redis: its generation and owner."""
    script = (
        "local out = {} for _, key in ipairs(redis.call('KEYS', 'cs:{a:*}')) do"
        " local is = redis.call('HMGET', key, 'g', 'o')"
        " out[#out + 1] = string.sub(key, 7, -2) .. ' ' .. is[1] .. ' ' .. is[2] end return out"
    )
    lines = redis.says("-n", str(database), "EVAL", script, "0").splitlines()
    parts = [line.split() for line in lines if line]  # without an owner there are two
    return {answer: (int(generation), owner[0] if owner else None) for answer, generation, *owner in parts}


def _redis_owners(directory: Path) -> dict[str, tuple[int, str | None]]:
    return owners_in(standalone_redis(), _databases[directory])


_in_the_cluster: set[Path] = set()


def _cluster_url(directory: Path) -> str:
    """A cluster has one database: it is the directory's that came last."""
    if directory not in _in_the_cluster:
        _in_the_cluster.add(directory)
        shared_cluster().flush()
    return shared_cluster().url


def _cluster_owners(directory: Path) -> dict[str, tuple[int, str | None]]:
    found = [owners_in(master) for master in shared_cluster().masters]
    return {answer: owner for owners in found for answer, owner in owners.items()}


LOGS: Mapping[str, LogUnderTest] = {
    "sqlite": LogUnderTest(lambda directory: {}, _sqlite_owners),
    "redis": LogUnderTest(lambda directory: {"CHATSERVER_REDIS_URL": redis_url(directory)}, _redis_owners),
    "redis cluster": LogUnderTest(lambda directory: {"CHATSERVER_REDIS_URL": _cluster_url(directory)}, _cluster_owners),
}
QUICK_LOGS = [name if name == "sqlite" else pytest.param(name, marks=pytest.mark.slow) for name in LOGS]
"""For fixtures: the quick run tries one log under everything, the whole run all."""
QUICK_LOGS_APART = QUICK_LOGS[:2]
"""For fixtures that live beside others: those logs of which each directory has one of its own. A cluster has one
database, and a server would take over what belongs to others' tests."""


def scripted_question(tokens: int, delay_ms: int) -> str:
    return f"/script tokens={tokens} delay_ms={delay_ms}"


def scripted_text(question: str) -> str | None:
    """What the scripted model says to a question, for the checker."""
    return parse_script(question).text()


@dataclass
class Server:
    """Processes on one port. `data` may be shared with siblings; what they print goes to `output`."""

    data: Path
    way: str = "serve"
    log: str = "sqlite"
    settings: Mapping[str, str] = field(default_factory=dict)
    """Added to the environment."""
    arguments: Sequence[str] = ()
    directory: Path = ROOT
    """Where it is started, and where its code is."""
    host: str = "127.0.0.1"
    port: int = field(default_factory=free_port)
    forgives: str = ""
    """A traceback that the test brings about."""
    may_fail: bool = False
    """The test makes it fail: what it prints and its exit code are the test's to judge."""

    def __post_init__(self) -> None:
        self.output = self.data.parent / f"server-{self.port}-{time.monotonic_ns()}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._seen: dict[int, psutil.Process] = {}

    @property
    def url(self) -> str:
        return f"ws://{self.host}:{self.port}/ws"

    @property
    def place(self) -> tuple[str, int]:
        return self.host, self.port

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def target(self, user: str = "anonymous") -> Target:
        """As this user; only `hooked` tells users apart."""
        return Target(self.url, scripted_question, {"X-User": user}, user)

    def start(self) -> "Server":
        """Returns at once; see `wait_ready`."""
        defaults = {
            "CHATSERVER_MODEL": "scripted",
            "CHATSERVER_LEASE_S": _LEASE_S,
            "CHATSERVER_DRAIN_S": "5",
            "CHATSERVER_RETRIEVAL_DEADLINE_S": "60",  # the first question of a process on a busy machine
        }
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("CHATSERVER_", "OPENAI_"))},
            **defaults,
            "CHATSERVER_DATA_DIR": str(self.data),
            "PYTHONPATH": str(self.directory),
            "PYTHONUNBUFFERED": "1",
            **LOGS[self.log].environment(self.data),
            **self.settings,
        }
        command = [*WAYS[self.way], "--host", self.host, "--port", str(self.port), *self.arguments]
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                command, stdout=output, stderr=output, env=environment, cwd=self.directory, start_new_session=True
            )
        return self

    def wait_ready(self, within_s: float = START_S) -> "Server":
        """Returns once it takes questions."""
        deadline = time.monotonic() + within_s
        while not self.is_ready():
            if self.has_ended():
                raise AssertionError(f"the server ended while starting:\n{self.printed()[-3000:]}")
            if time.monotonic() > deadline:
                raise AssertionError(f"the server is not ready after {within_s} s:\n{self.printed()[-3000:]}")
            time.sleep(0.03)
        self.processes()
        return self

    def is_ready(self) -> bool:
        if self.way.startswith("serve") and "is ready" not in self.printed():  # all its workers
            return False
        with closing(http.client.HTTPConnection(self.host, self.port, timeout=2)) as connection:
            try:
                connection.request("GET", "/readyz")
                return connection.getresponse().status == 200
            except (OSError, http.client.HTTPException):
                return False

    def printed(self) -> str:
        return self.output.read_text(errors="replace")

    def processes(self) -> list[psutil.Process]:
        """The first process and all that come from it, as far as they live."""
        with contextlib.suppress(psutil.NoSuchProcess):
            first = psutil.Process(self.pid)
            for process in (first, *first.children(recursive=True)):
                self._seen.setdefault(process.pid, process)
        return [process for process in self._seen.values() if _is_alive(process)]

    def owner(self, answer: str) -> int:
        """The process that tells this answer, or 0."""
        _, owner = LOGS[self.log].owners(self.data).get(answer, (0, None))
        named = re.search(r"-(\d+)-[0-9a-f]+$", owner or "")
        return int(named[1]) if named else 0

    def generations(self) -> list[tuple[str, int]]:
        return [(answer, generation) for answer, (generation, _) in LOGS[self.log].owners(self.data).items()]

    def signal(self, number: signal.Signals, pid: int | None = None) -> None:
        """To the first process, or to one of the others."""
        self.processes()
        os.kill(pid or self.pid, number)

    def has_ended(self) -> bool:
        assert self._process is not None
        return self._process.poll() is not None

    def wait(self, within_s: float) -> int:
        """Its exit code, negative when a signal ended it. Raises `subprocess.TimeoutExpired`."""
        assert self._process is not None
        return self._process.wait(within_s)

    def kill(self) -> None:
        """SIGKILL to all of its processes, as when the machine kills it."""
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.wait(60)

    def stop(self, within_s: float = 60.0) -> int:
        """SIGTERM, and its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(within_s)

    def noise(self) -> list[str]:
        """Lines that a server must never print."""
        if self.forgives and self.forgives in self.printed():
            return []
        never = (*_NOISE, "socket.send() raised") if self.way.startswith("serve") else _NOISE
        return [line for line in self.printed().splitlines() if any(noise in line for noise in never)]


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def holds(play: Play, server: Server) -> Report:
    """The judges' journals are faultless against the logs as this server has them, and the texts are the model's."""
    report = await play.verdict(target=server.target(), expect=scripted_text)
    assert report.ok, f"{report}\n{server.printed()[-3000:]}"
    return report


@contextmanager
def serving(server: Server, *, ready: bool = True) -> Iterator[Server]:
    """Started and ready; at the end it is stopped as it should be, and held to what it must not do: leave a process
    behind, print a traceback or a send after the close, end otherwise than told. What is left is killed in any case."""
    server.start()
    try:
        if ready:
            server.wait_ready()
        yield server
        if not server.may_fail:
            code = server.wait(0) if server.has_ended() else server.stop()
            assert code in (0, -signal.SIGTERM, -signal.SIGKILL), f"exit code {code}\n{server.printed()}"
            _, left = psutil.wait_procs(server.processes(), timeout=30)
            assert not left, f"left behind: {left}"
            assert not server.noise(), server.printed()
    finally:
        for process in server.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        server.wait(60)
