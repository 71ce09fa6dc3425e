"""A real server process, a relay that can cut the network, and a real browser for the page's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.page.chat_page import PATIENCE_MS
from tests.page.programs import require
from tests.page.relay import Relay
from tests.page.server import Server, ingest
from tests.page.watch import Watch

SAMPLE = Path(__file__).parents[2] / "examples" / "cooling-unit"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]

HOSTILE = """# Grobulator <script>document.title = "taken"</script>

The grobulator hums at <img src=x onerror="document.title='taken'"> forty hertz [9].
See [the grobulator's manual](javascript:document.title='taken') before touching it.
"""


@pytest.fixture(scope="session")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Answers as the question's `/script` directives say."""
    server = Server(tmp_path_factory.mktemp("scripted") / "data", "scripted")
    yield server
    server.end()


@pytest.fixture(scope="session")
def knowing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Knows the sample and one document that is up to no good; answers with extracts."""
    folder = tmp_path_factory.mktemp("knowing")
    hostile = folder / "grobulator.md"
    hostile.write_text(HOSTILE)
    ingest(folder / "data", SAMPLE, hostile)
    server = Server(folder / "data", "extractive")
    yield server
    server.end()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Server]:
    """A scripted server that the test may kill."""
    server = Server(tmp_path / "data", "scripted")
    yield server
    server.end()


@pytest.fixture
def relay(scripted: Server) -> Iterator[Relay]:
    """A network to the scripted server that the test may cut."""
    with Relay(scripted.port) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Of the module, not of the session: Playwright's loop must not run while asynchronous tests do.
    chromium = require("chromium")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=FLAGS, timeout=4 * PATIENCE_MS)
        yield running
        running.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser profile; every page in it is watched."""
    watch = Watch()
    with browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light") as profile:
        profile.set_default_timeout(PATIENCE_MS)
        profile.on("page", watch.add)
        yield profile
    assert watch.foreign == []
    assert watch.errors == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()
