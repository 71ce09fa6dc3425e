"""Signing in, and thousands of chats, in a real browser at a server with logins."""

import re
import secrets
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from chatserver.access.keys import Secrets
from chatserver.access.tokens import issue
from tests.edge.many_chats import add_chats
from tests.page.chat_page import PATIENCE_MS, ChatPage
from tests.page.server import Server
from tests.page.watch import Watch

KEY = secrets.token_urlsafe(32)
CHATS = 5_000
EXPIRED = re.compile(r"401|WebSocket connection to .* failed|ERR_(CONNECTION|INTERNET|EMPTY|SOCKET)")


def token(user: str, *, lasts_s: float = 600) -> str:
    return issue(Secrets([KEY]).signing, user, ttl_s=lasts_s)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("logins") / "data"
    server = Server(data, "scripted", CHATSERVER_TOKEN_KEYS=KEY)
    add_chats(data, "ada", CHATS)
    yield server
    server.end()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """As everywhere, but for requests of somebody whom the server does not know yet."""
    watch = Watch()
    watch.expected = EXPIRED
    with browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light") as profile:
        profile.set_default_timeout(PATIENCE_MS)
        profile.on("page", watch.add)
        yield profile
    assert watch.foreign == []
    assert watch.errors == []


def sign_in(page: Page, secret: str) -> None:
    form = page.get_by_role("dialog", name="Sign in")
    form.get_by_label("Token").fill(secret)
    form.get_by_role("button", name="Sign in").click()


def test_whoever_is_not_known_signs_in(page: Page, server: Server) -> None:
    """The form comes by itself, says when a token is not taken, and never takes one from the address; the right one
    opens the page, and stays where no script and no address has it, over a reload too. Signing out leaves nothing."""
    page.goto(f"{server.url}/?token={token('ada')}")
    chat = ChatPage(page, None)
    form = page.get_by_role("dialog", name="Sign in")
    expect(form).to_be_visible()
    sign_in(page, "nonsense")
    expect(form.get_by_role("alert")).to_contain_text("does not take this token")
    page.goto(server.url)
    expect(form).to_be_visible()
    mine = token("eve")
    sign_in(page, mine)
    expect(form).to_be_hidden()
    chat.connected()
    expect(page.locator("#user")).to_have_text("eve")
    chat.ask("/script tokens=3")
    expect(chat.text).to_contain_text("t2")
    kept = "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href])"
    assert mine not in str(page.evaluate(kept))
    page.reload()
    chat.connected()
    expect(chat.text).to_contain_text("t2")
    page.get_by_role("button", name="Sign out").click()
    expect(form).to_be_visible()
    expect(chat.turns).to_have_count(0)
    assert "/script" not in str(page.evaluate(kept))


def test_a_session_that_ends_asks_again_and_loses_nothing(page: Page, server: Server) -> None:
    """When the token expires in the middle of an answer the form comes; with a new one the answer is read to its end,
    once."""
    page.goto(server.url)
    chat = ChatPage(page, None)
    form = page.get_by_role("dialog", name="Sign in")
    sign_in(page, token("bob", lasts_s=10))
    expect(form).to_be_hidden()
    chat.ask("/script tokens=400 delay_ms=25")
    expect(form).to_be_visible()
    sign_in(page, token("bob"))
    expect(chat.text).to_contain_text("t399")
    told = re.findall(r"\bt\d+", chat.text.inner_text())
    assert told == [f"t{number}" for number in range(400)]


def test_five_thousand_chats_are_a_page_at_a_time(page: Page, server: Server) -> None:
    """The newest are there at once; a button brings older ones, each page behind the last."""
    page.goto(server.url)
    chat = ChatPage(page, None)
    sign_in(page, token("ada"))
    chat.connected()
    expect(chat.chats).to_have_count(200)
    expect(chat.chats.first).to_contain_text(f"Question {CHATS - 1}?")
    older = page.get_by_role("button", name="Older chats")
    older.click()
    expect(chat.chats).to_have_count(400)
    expect(chat.chats.nth(200)).to_contain_text(f"Question {CHATS - 201}?")
    older.click()
    expect(chat.chats).to_have_count(600)
    chat.chats.nth(599).get_by_role("button").click()
    expect(page.locator("#title")).to_have_text(f"Question {CHATS - 600}?")
