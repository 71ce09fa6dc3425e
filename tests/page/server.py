"""`chatserver serve` as a process of its own."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ports import free_port

CHATSERVER = Path(sys.executable).with_name("chatserver")
READY = re.compile(r"ready: http://127\.0\.0\.1:(\d+)")
OURS = ("CHATSERVER_", "OPENAI_")


def environment(**settings: str) -> dict[str, str]:
    """The test's own settings and none of the machine's."""
    return {**{name: value for name, value in os.environ.items() if not name.startswith(OURS)}, **settings}


def ingest(data_dir: Path, *paths: Path) -> None:
    settings = environment(CHATSERVER_DATA_DIR=str(data_dir))
    subprocess.run([CHATSERVER, "ingest", *paths], env=settings, check=True, capture_output=True)


class Server:
    """On a loopback port; killed and started again it keeps its port and data."""

    def __init__(self, data_dir: Path, model: str, **settings: str) -> None:
        self._data_dir = data_dir
        self._log = data_dir.with_suffix(".log")
        quick = {"CHATSERVER_LEASE_S": "1", "CHATSERVER_DRAIN_S": "0.5"}
        patient = {"CHATSERVER_RETRIEVAL_DEADLINE_S": "60"}  # the first question of a process on a busy machine
        self._settings = {"CHATSERVER_MODEL": model, **quick, **patient, **settings}
        self.port = free_port()
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [str(CHATSERVER), "serve", "--host=127.0.0.1", f"--port={self.port}", f"--data-dir={self._data_dir}"]
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                command, env=environment(**self._settings), stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if ready := READY.search(line):
                self.port = int(ready[1])
                return
        self._process.wait(30)
        self._process.stdout.close()
        pytest.fail(f"the server did not start: {self._log.read_text()}")

    def end(self, signal_number: signal.Signals = signal.SIGTERM) -> None:
        self._process.send_signal(signal_number)
        self._process.wait(30)
        assert self._process.stdout is not None
        self._process.stdout.close()
