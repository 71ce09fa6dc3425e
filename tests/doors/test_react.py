"""`examples/react`, which is `useChat` over `/ws/ai-sdk` as Vite has built it, in a real Chromium on a real server."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright

from tests.page.conftest import FLAGS
from tests.page.programs import lacking, require
from tests.page.server import Server

DIST = Path(__file__).parents[2] / "examples" / "react" / "dist"
LONG = "/script tokens=100000 delay_ms=10"
PATIENCE_MS = 30_000
# A page that a test gives out comes from no address, and Chromium would not let it open a socket to this machine.
LOCAL = "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets"

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("react") / "data", "scripted")
    yield running
    running.end()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = require("chromium")
    if not (DIST / "index.html").is_file():
        lacking("the example that `make node` builds")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=[*FLAGS, LOCAL])
        yield running
        running.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A profile in which the built files lie beside the server, as any web server would give them out."""
    errors: list[str] = []
    with browser.new_context() as profile:
        profile.set_default_timeout(PATIENCE_MS)
        profile.route("**/react/**", give_out)
        profile.on("weberror", lambda error: errors.append(str(error.error)))
        yield profile
    assert errors == []


def give_out(route: Route) -> None:
    name = route.request.url.partition("/react/")[2].partition("?")[0] or "index.html"
    route.fulfill(path=DIST / name)


def opened(context: BrowserContext, server: Server, chat: str) -> Page:
    page = context.new_page()
    page.goto(f"{server.url}/react/?chat={chat}")
    return page


def ask(page: Page, text: str) -> None:
    page.get_by_placeholder("Ask").fill(text)
    page.get_by_role("button", name="Ask").click()


def says(page: Page, token: str) -> str:
    """The answer's text, once this token of it is there."""
    answer = page.locator(".assistant p")
    expect(answer).to_contain_text(re.compile(rf"\b{token}x"), timeout=PATIENCE_MS)
    return answer.inner_text()


def is_done(page: Page) -> None:
    expect(page.locator("main")).to_have_attribute("data-status", "ready", timeout=PATIENCE_MS)


def test_a_reload_in_mid_answer_continues_in_place_and_a_stop_then_works(
    context: BrowserContext, server: Server
) -> None:
    """One question and one answer, which goes on from what it had; the stop ends it and keeps its text."""
    page = opened(context, server, "reloaded")
    ask(page, LONG)
    shown = says(page, "t20")
    page.reload()
    assert says(page, "t40").startswith(shown[:100])
    assert page.locator("li").count() == 2
    page.get_by_role("button", name="Stop").click()
    is_done(page)
    stopped = page.locator(".assistant p").inner_text()
    document = page.evaluate("fetch('/v1/chats/reloaded/answers').then((response) => response.json())")
    (answer,) = document["answers"]
    assert answer["text"].startswith(stopped[:200])
    page.wait_for_function(
        "fetch('/v1/chats/reloaded/answers').then((r) => r.json()).then(({answers}) => answers[0].state === 'stopped')"
    )


def test_two_tabs_read_the_same_answer(context: BrowserContext, server: Server) -> None:
    """The second comes in mid-answer; both have every word, and the question is there once."""
    first = opened(context, server, "shared")
    ask(first, "/script tokens=150 delay_ms=10")
    says(first, "t20")
    second = opened(context, server, "shared")
    texts = {says(page, "t149") for page in (first, second)}
    assert len(texts) == 1
    for page in (first, second):
        is_done(page)
        assert page.locator("li").count() == 2


def test_a_server_that_is_killed_in_mid_answer_loses_nothing(context: BrowserContext, server: Server) -> None:
    """The page takes the answer up as soon as there is a server again; every word is there once."""
    page = opened(context, server, "killed")
    ask(page, "/script tokens=150 delay_ms=20")
    says(page, "t20")
    server.end(signal.SIGKILL)
    server.start()
    text = says(page, "t149")
    assert [word.rstrip("x") for word in text.split()] == [f"t{n}" for n in range(150)]
    is_done(page)


def test_a_refused_question_is_told(context: BrowserContext, server: Server) -> None:
    """In the server's own words."""
    page = opened(context, server, "refused")
    ask(page, "x" * 16_001)
    expect(page.get_by_role("alert")).to_contain_text("at most 16000")
