"""The numbers of a process that has no doors, at an address of their own."""

import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from chatserver.metrics.metrics import Metrics, NotServed
from tests.metrics.scrape import Scrape
from tests.page.server import CHATSERVER
from tests.ports import free_port

WAIT_S = 60.0


def read(port: int) -> Scrape:
    answer = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False, timeout=WAIT_S)
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, "text/plain")
    return Scrape(answer.text)


def test_they_are_told_as_long_as_the_context_lasts() -> None:
    """With what was counted by then; afterwards nobody listens."""
    metrics = Metrics()
    with metrics.served("127.0.0.1", 0) as port:
        metrics.jobs.asked()
        assert read(port).value("processes") == 1
    with pytest.raises(httpx.ConnectError):
        read(port)


@pytest.mark.parametrize("address", [("127.0.0.1", None), ("no.such.host.invalid", 0), ("127.0.0.1", 70_000)])
def test_an_address_that_cannot_be_had_is_told(address: tuple[str, int | None]) -> None:
    """One in use, one that is nobody's, and a port that there is not."""
    host, port = address
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(NotServed, match=host), Metrics().served(host, port or taken.getsockname()[1]):
            pass


def test_a_worker_tells_its_own(tmp_path: Path) -> None:
    """`chatserver worker --metrics` serves them until it is told to end."""
    port = free_port()
    worker = subprocess.Popen([CHATSERVER, "worker", "--metrics", f"127.0.0.1:{port}", "--data-dir", tmp_path / "data"])
    try:
        seen = _once_it_listens(worker, port)
        assert (seen.value("jobs_running"), seen.value("processes")) == (0, 1)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(WAIT_S) == 0
    finally:
        worker.kill()
        worker.wait()


def _once_it_listens(worker: "subprocess.Popen[bytes]", port: int) -> Scrape:
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            return read(port)
        except httpx.ConnectError:
            assert worker.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
