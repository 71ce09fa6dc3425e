"""The commands as `docs/data.md` shows them, beside a server that is answering."""

import json
import os
import re
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatserver.client import SyncClient
from chatserver.settings import load_settings
from chatserver.wiring import issue_token
from tests.page.server import CHATSERVER, READY, environment

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "data.md").read_text("utf-8")


class _Server:
    """With logins; `log` is what it has told on standard error."""

    def __init__(self, directory: Path, data_dir: Path, settings: dict[str, str]) -> None:
        self.settings = settings
        command = [str(CHATSERVER), "serve", "--port=0", f"--data-dir={data_dir}"]
        with (directory / "server.log").open("a") as log:
            self._process = subprocess.Popen(
                command, env=settings, cwd=directory, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert self._process.stdout is not None
        ready = next((line for line in self._process.stdout if READY.search(line)), "")
        self.url = f"http://127.0.0.1:{READY.findall(ready)[0]}"

    def client(self, user: str) -> SyncClient:
        token = issue_token(load_settings(self.settings), user, ttl_s=600, namespaces=[], operator=False)
        return SyncClient(self.url, token=token)

    def end(self) -> None:
        self._process.terminate()
        assert self._process.stdout is not None
        with self._process.stdout as told:
            told.read()
        self._process.wait(60)


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    path = f"{CHATSERVER.parent}{os.pathsep}{os.environ['PATH']}"
    keys = secrets.token_urlsafe(32)
    return environment(PATH=path, CHATSERVER_TOKEN_KEYS=keys, CHATSERVER_MODEL="scripted", COLUMNS="200")


@pytest.fixture
def server(tmp_path: Path, settings: dict[str, str]) -> Iterator[_Server]:
    server = _Server(tmp_path, tmp_path / "data", settings)
    try:
        yield server
    finally:
        server.end()


def test_the_commands_of_the_page_run_beside_a_server(
    server: _Server, tmp_path: Path, settings: dict[str, str]
) -> None:
    """While it tells an answer: the backup is whole and has the question, the erased user has nothing any more, the
    other has all, the server goes on; and a server over the restored directory tells the answer to its end."""
    (snippet,) = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    with server.client("ada") as ada, server.client("bob") as bob:
        told = bob.ask("/script tokens=3", chat="kept").result()
        slow = ada.ask("/script tokens=3000 delay_ms=20", chat="hers")
        for _ in zip(range(10), slow, strict=False):  # it is being told
            pass
        shell = ["bash", "-e", "-u", "-c", snippet]
        done = subprocess.run(shell, cwd=tmp_path, env=settings, capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "no answer's log has a hole" in done.stdout
        assert "erased 1 answers and 0 jobs of ada" in done.stdout
        assert [chat.chat for chat in bob.chats()] == ["kept"]
        assert bob.ask("/script tokens=3", chat="kept").result().text == told.text
    with server.client("ada") as ada:
        assert list(ada.chats()) == []
        assert ada.ask("/script tokens=2", chat="hers").result().text
    manifest = json.loads((tmp_path / "backups" / "monday" / "backup.json").read_text())
    assert {"answers.db", "knowledge.db", "ledger.db", "home"} <= set(manifest["files"])
    again = _Server(tmp_path, tmp_path / "restored", settings | {"CHATSERVER_ANSWER_TIMEOUT_S": "1"})
    try:
        with again.client("ada") as ada, again.client("bob") as bob:
            assert [chat.chat for chat in ada.chats()] == ["hers"]
            assert [answer.text for answer in bob.answers("kept")] == [told.text]
    finally:
        again.end()
