"""The page for everyone: keyboard, screen reader, themes, small screens, and nothing from elsewhere."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.page.chat_page import ChatPage
from tests.page.server import Server

pytestmark = pytest.mark.browser

WEB = Path(__file__).parents[2] / "chatserver" / "web"
AMMONIA = "What should I do if it smells of ammonia and my eyes hurt?"

# Every visible text with its contrast against the surface behind it (WCAG 2.2, 1.4.3), where it is under the minimum.
LOW_CONTRAST = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const linear = (s) => (s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((one) => linear(one / 255));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const color = rgba(getComputedStyle(one).backgroundColor);
      if (color[3] === 255) return color;
    }
    return rgba(getComputedStyle(document.documentElement).colorScheme === "dark" ? "black" : "white");
  };
  const low = [];
  let seen = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility({ visibilityProperty: true })) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(rgba(style.color)), light(behind(element))].sort((x, y) => y - x);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    const ratio = (a + 0.05) / (b + 0.05);
    seen += 1;
    if (ratio < (large ? 3 : 4.5)) low.push([walker.currentNode.data.trim().slice(0, 40), ratio.toFixed(2)]);
  }
  return { seen, low };
}"""


def test_the_keyboard_is_enough(page: Page, knowing: Server) -> None:
    """Ask, open a citation, close it, begin a chat and go back, all without a pointer."""
    chat = ChatPage(page, knowing.url)
    expect(chat.question).to_be_focused()
    page.keyboard.type("What does alarm")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("A-41 mean?")
    page.keyboard.press("Enter")
    expect(chat.turns.last.locator(".question p")).to_have_text("What does alarm\nA-41 mean?", use_inner_text=True)
    chat.wait_until_over()
    walk_to(page, ".cite", backwards=True)
    page.keyboard.press("Enter")
    expect(page.get_by_role("complementary", name="Source").get_by_role("heading").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".cite:focus")).to_have_count(1)
    asked_in = page.url.partition("#/")[2]
    walk_to(page, "#new", backwards=True)
    page.keyboard.press("Enter")
    expect(chat.question).to_be_focused()
    expect(chat.turns).to_have_count(0)
    walk_to(page, f'.chat[data-chat="{asked_in}"]', backwards=True)
    page.keyboard.press("Enter")
    expect(chat.turns).to_have_count(1)


def test_escape_stops_the_answer(page: Page, scripted: Server) -> None:
    """Esc in the question field ends the running answer."""
    chat = ChatPage(page, scripted.url)
    chat.ask("/script tokens=500 delay_ms=20")
    chat.wait_for("t3")
    chat.question.press("Escape")
    expect(chat.turns.last).to_contain_text("Stopped.")


def test_the_focus_is_visible(page: Page, knowing: Server) -> None:
    """Whatever takes the keyboard's focus has an outline of at least two pixels."""
    chat = ChatPage(page, knowing.url)
    chat.ask(AMMONIA)
    chat.wait_until_over()
    for _ in range(25):
        page.keyboard.press("Tab")
        focus = page.locator(":focus")
        if focus.count():
            width = focus.evaluate("element => parseFloat(getComputedStyle(element).outlineWidth)")
            assert width >= 2, focus.evaluate("element => element.outerHTML")


def test_a_screen_reader_finds_its_way(page: Page, knowing: Server) -> None:
    """Landmarks, one main heading, a name on every control, and alternative text on every image."""
    chat = ChatPage(page, knowing.url)
    chat.ask(AMMONIA)
    chat.wait_until_over()
    chat.text.locator(".cite").first.click()
    for role, name in (("navigation", "Chats"), ("complementary", "Source"), ("region", "Conversation")):
        expect(page.get_by_role(role, name=name)).to_have_count(1)  # type: ignore[arg-type]
    expect(page.get_by_role("main")).to_have_count(1)
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    nameless = [node for node in accessible(page) if node["role"] in CONTROLS and not node["name"]]
    assert nameless == []
    assert page.locator("img:not([alt])").count() == 0
    levels = page.locator("h1, h2, h3, h4, h5, h6").evaluate_all("all => all.map((one) => Number(one.tagName[1]))")
    assert all(after - before <= 2 for before, after in pairwise(levels))


def test_a_finished_answer_is_announced_once(page: Page, scripted: Server) -> None:
    """The live region is silent while tokens come and then has the whole text; a reload announces nothing."""
    chat = ChatPage(page, scripted.url)
    live = page.locator("#live")
    chat.ask("/script tokens=200 delay_ms=20")
    chat.wait_for("t5")
    assert live.inner_text() == ""
    expect(chat.turns.last).to_have_attribute("aria-busy", "true")
    chat.wait_until_over()
    expect(live).to_have_text(re.compile(r"^Answer: t0.* t199x+$"))
    page.reload()
    chat.wait_until_over()
    assert live.inner_text() == ""


def test_a_dutch_answer_is_marked_as_dutch(page: Page, knowing: Server) -> None:
    """The answer's language is told to a screen reader."""
    chat = ChatPage(page, knowing.url)
    chat.ask("Wat moet er gebeuren bij legionella in de koeltoren?")
    chat.wait_until_over()
    expect(chat.text).to_have_attribute("lang", "nl")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_both_themes(browser: Browser, knowing: Server, scheme: Any) -> None:
    """Every text on the page has a contrast of at least 4.5, or 3 when it is large."""
    with browser.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 800}) as context:
        chat = ChatPage(context.new_page(), knowing.url)
        assert chat.page.evaluate(LOW_CONTRAST)["low"] == []
        chat.ask("Show the latest TelemetryEvent of P-101.")
        chat.wait_until_over()
        for summary in chat.turns.last.locator("summary").all():
            summary.click()
        chat.ask(AMMONIA)
        chat.wait_until_over()
        chat.text.locator(".cite").first.click()
        expect(chat.page.locator("mark").first).to_be_visible()
        found = chat.page.evaluate(LOW_CONTRAST)
        assert found["low"] == []
        assert found["seen"] > 100


def test_the_theme_follows_the_system_until_one_is_chosen(page: Page, knowing: Server) -> None:
    """Dark when the system is dark; the button chooses the other one, and a reload keeps it."""
    ChatPage(page, knowing.url)
    dark = "() => getComputedStyle(document.body).backgroundColor"
    light_surface = page.evaluate(dark)
    page.emulate_media(color_scheme="dark")
    dark_surface = page.evaluate(dark)
    assert light_surface != dark_surface
    page.get_by_role("button", name="Use the light theme").click()
    assert page.evaluate(dark) == light_surface
    page.reload()
    assert page.evaluate(dark) == light_surface
    expect(page.get_by_role("button", name="Use the dark theme")).to_be_visible()


def test_the_page_fits_a_small_screen(browser: Browser, knowing: Server) -> None:
    """At 360 pixels nothing is wider than the screen; chats are a drawer and a source is a page of its own."""
    with browser.new_context(viewport={"width": 360, "height": 640}, has_touch=True) as context:
        page = context.new_page()
        chat = ChatPage(page, knowing.url)
        chat.ask("Which WorldStateSnapshot entries have a failure mode other than none?")
        chat.wait_until_over()
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        assert page.locator("main").evaluate("main => main.scrollWidth") == 360
        expect(page.get_by_role("navigation", name="Chats")).to_be_hidden()
        page.get_by_role("button", name="Chats").click()
        expect(page.get_by_role("button", name="New chat")).to_be_focused()
        assert page.locator("main").evaluate("main => main.inert")
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Chats")).to_be_focused()
        chat.text.locator(".cite").first.click()
        panel = page.get_by_role("complementary", name="Source")
        box = panel.bounding_box()
        assert box is not None
        assert (box["x"], box["width"]) == (0, 360)
        panel.get_by_role("button", name="Close source").click()
        expect(panel).to_be_hidden()


def test_suggestions_begin_a_chat(page: Page, knowing: Server) -> None:
    """A suggested question on the empty page is asked with one press and answered with a source."""
    chat = ChatPage(page, knowing.url)
    page.get_by_role("list", name="Suggested questions").get_by_role("button").first.click()
    chat.wait_until_over()
    expect(chat.text.locator(".cite").first).to_be_visible()
    expect(page.locator("#empty")).to_be_hidden()


def test_the_page_allows_itself_nothing_from_elsewhere(page: Page, knowing: Server) -> None:
    """A strict policy is sent, no file has inline script or style, and none names another host."""
    response = page.goto(knowing.url)
    assert response is not None
    policy = response.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    for file in [*WEB.glob("*.*"), *WEB.glob("client/*.js")]:
        text = file.read_text()
        hosts = set(re.findall(r"https?://[\w.-]+", text)) - {"http://www.w3.org"}
        assert hosts == set(), file.name
        assert "innerHTML" not in text, file.name
    index = (WEB / "index.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", index)


CONTROLS = {"button", "link", "textbox", "checkbox", "combobox", "DisclosureTriangle", "region", "dialog"}


def accessible(page: Page) -> list[dict[str, str]]:
    """The accessibility tree's nodes that are not ignored."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    return [
        {"role": node["role"]["value"], "name": node.get("name", {}).get("value", "")}
        for node in nodes
        if not node["ignored"]
    ]


def walk_to(page: Page, selector: str, *, backwards: bool = False) -> None:
    """Presses Tab until the focus is on such an element."""
    for _ in range(60):
        page.keyboard.press("Shift+Tab" if backwards else "Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    pytest.fail(f"the focus never came to {selector}")
