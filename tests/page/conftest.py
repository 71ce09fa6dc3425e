"""A real server process, a relay that can cut the network, and a real browser for the page's tests."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.page.relay import Relay

CHATSERVER = Path(sys.executable).with_name("chatserver")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
READY = re.compile(r"ready: (http://\S+)")


def require(program: str) -> str:
    """Its path. Without it the test is skipped, but in CI, which has it, that is a failure."""
    path = shutil.which(program)
    if path is None and os.environ.get("CI"):
        pytest.fail(f"CI must have {program}")
    return path or pytest.skip(f"needs {program}")


class Server:
    """`chatserver serve` on a loopback port; killed and started again it keeps its port and data."""

    def __init__(self, data_dir: Path, model: str, *, sample: bool = False) -> None:
        self._data_dir = data_dir
        self._sample = sample
        self._environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("CHATSERVER_", "OPENAI_"))},
            "CHATSERVER_MODEL": model,
            "CHATSERVER_LEASE_S": "1",
            "CHATSERVER_DRAIN_S": "0.5",
        }
        self._port = 0
        self.url = ""
        self.start()

    def start(self) -> None:
        command = [CHATSERVER, "serve", "--host", "127.0.0.1", "--port", str(self._port)]
        command += ["--data-dir", self._data_dir, *(["--sample"] if self._sample else [])]
        log = self._data_dir.with_suffix(".log").open("a")
        with log:
            self._process = subprocess.Popen(command, env=self._environ, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self._process.stdout is not None
        said = ""
        for line in self._process.stdout:
            said += line
            if ready := READY.search(line):
                self.url = ready[1]
                self._port = int(self.url.rsplit(":", 1)[1])
                return
        pytest.fail(f"the server did not start: {said}{Path(log.name).read_text()}")

    def end(self, signal_number: signal.Signals = signal.SIGTERM) -> None:
        self._process.send_signal(signal_number)
        self._process.wait(30)
        if self._process.stdout is not None:
            self._process.stdout.close()


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Starts servers that live as long as the session."""
    with ExitStack() as stack:

        def start(name: str, model: str, *, sample: bool = False) -> Server:
            server = Server(tmp_path_factory.mktemp(name) / "data", model, sample=sample)
            stack.callback(server.end)
            return server

        yield start


@pytest.fixture(scope="session")
def scripted(servers: Callable[..., Server]) -> Server:
    """Answers as the question's `/script` directives say."""
    return servers("scripted", "scripted")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Server]:
    """A scripted server that the test may kill."""
    server = Server(tmp_path / "data", "scripted")
    yield server
    server.end()


@pytest.fixture
def relay(scripted: Server) -> Iterator[Relay]:
    """A network to the scripted server that the test may cut."""
    with Relay(int(scripted.url.rsplit(":", 1)[1])) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Of the module, not of the session: Playwright's loop must not run while asynchronous tests do.
    chromium = require("chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield running
        running.close()


class Watch:
    """What a page must never do: ask another origin for something, or report an error to the console."""

    def __init__(self) -> None:
        self.foreign: list[str] = []
        self.errors: list[str] = []
        self.expected = re.compile(r"WebSocket connection to .* failed|ERR_(CONNECTION|INTERNET|EMPTY|SOCKET)")

    def add(self, page: Page) -> None:
        page.on("console", lambda message: self._note(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self._ask(request.url))

    def _note(self, text: str) -> None:
        if not self.expected.search(text):  # a network that the test has cut
            self.errors.append(text)

    def _ask(self, url: str) -> None:
        if not re.match(r"(http|ws)://127\.0\.0\.1:\d+/", url):
            self.foreign.append(url)


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser profile; every page in it is watched."""
    watch = Watch()
    with browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light") as profile:
        profile.set_default_timeout(15_000)
        profile.on("page", watch.add)
        yield profile
    assert watch.foreign == []
    assert watch.errors == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()
