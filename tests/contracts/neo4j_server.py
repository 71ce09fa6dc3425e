"""A Neo4j of the tests' own: the community server of `tests/neo4j/pom.xml`, which `make neo4j` fetches, on a free port
of the loopback, with everything it writes in a directory of its own."""

import atexit
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
from neo4j import Driver, GraphDatabase
from neo4j.exceptions import DriverError

from tests.ports import free_port

START_S = 90.0
CLASSPATH = Path(sys.prefix) / "neo4j.classpath"
USERNAME, PASSWORD = "neo4j", "for-tests-only"

# A small heap, one collector and one compiler: what matters in tests is how soon it stands.
_SMALL = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_CONFIGURATION = """
server.default_listen_address=127.0.0.1
server.bolt.listen_address=127.0.0.1:{port}
server.http.enabled=false
server.https.enabled=false
server.memory.pagecache.size=16m
dbms.usage_report.enabled=false
dbms.security.auth_lock_time=0s
"""


def require_neo4j() -> None:
    """Skips the test where there is no Neo4j; in CI that is a failure."""
    if shutil.which("java") is None:
        _missing("no Java to run Neo4j with (17 or newer)")
    if not CLASSPATH.exists() or not all(map(os.path.exists, CLASSPATH.read_text().strip().split(os.pathsep))):
        _missing("Neo4j is not here: `make neo4j` fetches it (Java 17 and Maven)")


def _missing(message: str) -> None:
    (pytest.fail if os.environ.get("CI") else pytest.skip)(message)


@dataclass
class Neo4jServer:
    """What it keeps on disk stays in `directory` from one start to the next."""

    directory: Path
    port: int = 0
    java: Sequence[str] = _SMALL
    agent: str = field(default="", init=False)
    """What it says it is: `Neo4j/5.26.0`."""
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def uri(self) -> str:
        return f"bolt://127.0.0.1:{self.port}"

    def start(self) -> "Neo4jServer":
        """On the port that it had before, or on a free one."""
        self.port = self.port or free_port()
        first = not (self.directory / "neo4j.conf").exists()
        (self.directory / "neo4j.conf").write_text(_CONFIGURATION.format(port=self.port))
        main = "org.neo4j.server.CommunityEntryPoint"
        with (self.directory / "console.log").open("ab") as console:
            self._process = subprocess.Popen(
                [
                    "java",
                    *self.java,
                    "--add-opens=java.base/java.nio=ALL-UNNAMED",
                    "-cp",
                    CLASSPATH.read_text().strip(),
                    main,
                    f"--home-dir={self.directory}",
                    f"--config-dir={self.directory}",
                ],
                stdout=console,
                stderr=subprocess.STDOUT,
            )
        self._wait()
        if first:
            self._set_password()
        with self.driver() as driver:
            self.agent = str(driver.get_server_info().agent)
        return self

    def driver(self, password: str = PASSWORD) -> Driver:
        return GraphDatabase.driver(self.uri, auth=(USERNAME, password), notifications_min_severity="OFF")

    def clear(self) -> None:
        """Away with all nodes; constraints and indexes stay."""
        with self.driver() as driver:
            driver.execute_query("MATCH (node) DETACH DELETE node")

    def kill(self) -> None:
        """As when the machine kills it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(60)

    def _wait(self) -> None:
        """Until it answers on its port."""
        assert self._process is not None
        deadline = time.monotonic() + START_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    told = (self.directory / "console.log").read_text(errors="replace")
                    raise AssertionError(f"Neo4j does not start: {told[-2000:]}") from None
                time.sleep(0.05)

    def _set_password(self) -> None:
        """A new server wants its password changed before anything else."""
        deadline = time.monotonic() + START_S
        while True:
            try:
                with self.driver("neo4j") as driver:
                    statement = "ALTER CURRENT USER SET PASSWORD FROM 'neo4j' TO $password"
                    driver.execute_query(statement, password=PASSWORD, database_="system")
                return
            except DriverError:
                if time.monotonic() > deadline:
                    raise


_started: list[Neo4jServer] = []


def started() -> list[Neo4jServer]:
    """The servers that tests of this process have started."""
    return _started


@cache
def standalone_neo4j() -> Neo4jServer:
    """One for all tests, each of which clears it first; it ends with this process."""
    require_neo4j()
    directory = tempfile.TemporaryDirectory()
    atexit.register(directory.cleanup)
    server = Neo4jServer(Path(directory.name))
    atexit.register(lambda: server.kill() if server._process else None)
    _started.append(server.start())
    return server
