"""`chatserver serve` and the commands beside it, as processes of their own."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.cli.conftest import Run

PROGRAM = str(Path(sys.executable).with_name("chatserver"))
WAIT_S = 120.0
"""The machine may be busy."""


@contextmanager
def program(*arguments: str, directory: Path) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=directory,
        env={**os.environ, "CHATSERVER_MODEL": "scripted", "PYTHONUNBUFFERED": "1"},
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate()


@contextmanager
def server(directory: Path, *arguments: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A serving process and its address."""
    with program("serve", "--port", "0", *arguments, directory=directory) as process:
        assert process.stdout is not None
        lines = [""]
        while "is ready: " not in lines[-1]:
            lines.append(process.stdout.readline())
            assert lines[-1], "".join(lines) + process.communicate()[1]
        yield process, lines[-1].split()[-1]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with server(tmp_path_factory.mktemp("served"), "--sample") as (_, url):
        yield url


def test_it_serves_the_page_and_the_sample(url: str, run: Run) -> None:
    """Once the address is printed the page is there, and the sample can be searched."""
    with urlopen(f"{url}/") as response:
        assert b"<html" in response.read()
    found = json.loads(run("search", "bearing of P-101", "--url", url, "--json").out)
    assert found["passages"]


def test_ask_and_chat_with_a_server(url: str, run: Run) -> None:
    """Commands given the address talk to that server, and chats live there."""
    assert run("ask", "/script tokens=2", "--url", url, "--chat", "c").out == "t0xxxxx t1xxxxx \n"
    assert "t1xxxxx" in run("chat", "--url", url, "--chat", "c").out


def test_the_server_that_runs_here_is_found(url: str, run: Run) -> None:
    """Without an address the commands ask the server where uvicorn.toml puts it, not a data directory."""
    Path("uvicorn.toml").write_text(f"port = {url.rpartition(':')[2]}\n")
    assert run("ask", "/script tokens=2").code == 0
    assert not Path("data").exists()


def test_ctrl_c_stops_the_answer(url: str, tmp_path: Path) -> None:
    """Ctrl-C during an answer ends it at the server, keeps its text and ends the command with 130."""
    with program("ask", "/script tokens=100000 delay_ms=5", "--url", url, directory=tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.read(8) == "t0xxxxx "
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=WAIT_S)
        assert process.returncode == 130
    assert rest.splitlines()[-1] == "(stopped)"


def test_a_port_in_use(url: str, run: Run) -> None:
    """A taken port is one clear line."""
    result = run("serve", "--port", url.rpartition(":")[2])
    assert result.code == 1
    assert result.err.endswith("is in use; choose another with --port (port_in_use)\n")


def test_an_open_host_is_refused(run: Run) -> None:
    """An address that other machines reach is refused when nobody has to log in, in one line that says what to do."""
    result = run("serve", "--host", "0.0.0.0", "--port", "0")
    assert result.code == 1
    assert "(host_not_loopback)" in result.err
    assert "CHATSERVER_TOKEN_KEYS" in result.err
    assert result.err.count("\n") == 1


def test_a_name_that_is_no_host(run: Run) -> None:
    """A host that cannot be bound is one line."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
        assert "(port_in_use)" in run("serve", "--host", "localhost", "--port", port).err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_told(tmp_path: Path, number: signal.Signals) -> None:
    """SIGTERM and Ctrl-C end the server in order, without a traceback."""
    with server(tmp_path) as (process, _):
        process.send_signal(number)
        out, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0
    assert "Traceback" not in out + err


def test_a_redis_that_is_away_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that cannot reach its log ends with what is wrong and its code, without a traceback."""
    monkeypatch.setenv("CHATSERVER_REDIS_URL", "redis://127.0.0.1:1")
    with program("serve", "--port", "0", directory=tmp_path) as process:
        _, told = process.communicate(timeout=WAIT_S)
        assert process.returncode == 1
    assert "Redis does not answer" in told
    assert "(unavailable)" in told
    assert "Traceback" not in told
