"""The graph on the page: how an answer's sources were found, and what is around each thing."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.page.chat_page import ChatPage
from tests.page.server import Server

pytestmark = pytest.mark.browser

REMEDY = "What is the remedy of FM-03, and how long does it take?"


class Graph:
    """The dialog with the graph."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.dialog = page.locator("#graph")

    @property
    def title(self) -> Locator:
        return self.dialog.get_by_role("heading", level=2)

    @property
    def nodes(self) -> Locator:
        return self.dialog.locator("svg .node")

    @property
    def focused(self) -> Locator:
        return self.dialog.locator("svg .node:focus")

    def node(self, name: str) -> Locator:
        return self.dialog.locator("svg").get_by_role("button", name=re.compile(f"^{re.escape(name)}"))

    def look_up(self, name: str) -> None:
        self.dialog.get_by_role("searchbox", name="Look up a name").fill(name)
        self.page.keyboard.press("Enter")


def opened(page: Page, server: Server, question: str = REMEDY) -> Graph:
    """With the graph of a new answer open."""
    chat = ChatPage(page, server.url)
    chat.ask(question)
    chat.wait_until_over()
    chat.turns.last.locator("details.steps").first.locator("summary").click()
    page.get_by_role("button", name="How these were found").click()
    graph = Graph(page)
    expect(graph.title).to_have_text("How the sources were found")
    return graph


def test_how_the_sources_of_an_answer_were_found(page: Page, knowing: Server) -> None:
    """Every passage of the answer is a node with its number, around the question; Esc gives the focus back."""
    graph = opened(page, knowing)
    expect(graph.nodes.first).to_have_attribute("aria-label", re.compile("^What is the remedy of FM-03"))
    listed = page.locator(".passages li")
    for n in range(1, listed.count() + 1):
        expect(graph.dialog.locator(f'svg [aria-label*=", source {n},"]')).to_have_count(1)
    page.keyboard.press("Escape")
    expect(graph.dialog).to_be_hidden()
    expect(page.get_by_role("button", name="How these were found")).to_be_focused()


def test_a_click_looks_around_and_back_returns(page: Page, knowing: Server) -> None:
    """The node that is clicked is the centre of the next graph; Back shows what was there before."""
    graph = opened(page, knowing)
    graph.node("FM-03 (tower fan belt slip)").click()
    expect(graph.title).to_have_text(re.compile(r"^FM-03 \(tower fan belt slip\)"))
    graph.node("F-402").click()
    expect(graph.title).to_have_text(re.compile("^F-402"))
    for title in (re.compile("^FM-03"), "How the sources were found"):
        graph.dialog.get_by_role("button", name="Back").click()
        expect(graph.title).to_have_text(title)
    expect(graph.dialog.get_by_role("button", name="Back")).to_be_hidden()
    expect(graph.title).to_be_focused()


def test_the_keyboard_reaches_every_node(page: Page, knowing: Server) -> None:
    """One stop of the Tab key, the arrows move between the nodes, Enter looks around the one in focus."""
    graph = opened(page, knowing)
    graph.look_up("P-101")
    expect(graph.title).to_have_text("P-101")
    expect(graph.dialog.get_by_role("searchbox")).to_be_focused()
    expect(graph.dialog.locator('svg .node[tabindex="0"]')).to_have_count(1)
    graph.nodes.first.focus()
    reached = set()
    for turn in ("ArrowRight", "ArrowLeft"):
        graph.nodes.first.focus()
        page.keyboard.press(turn)
        for direction in ("ArrowUp", "ArrowDown"):
            for _ in range(graph.nodes.count()):
                reached.add(graph.focused.get_attribute("data-id"))
                page.keyboard.press(direction)
    assert len(reached) == graph.nodes.count() - 1
    name = str(graph.focused.get_attribute("aria-label")).split(",")[0]
    page.keyboard.press("Enter")
    expect(graph.title).to_have_text(name)
    expect(graph.focused).to_have_attribute("aria-label", re.compile(f"^{re.escape(name)}"))


def test_the_list_says_what_the_drawing_shows(page: Page, knowing: Server) -> None:
    """The same nodes with the words between them, as buttons that look around too."""
    graph = opened(page, knowing)
    drawn = graph.nodes.count()
    graph.dialog.get_by_role("button", name="List").click()
    expect(graph.dialog.locator("svg .node").first).to_be_hidden()
    expect(graph.dialog.locator(".graph-list li")).to_have_count(drawn - 1)
    expect(graph.dialog.locator(".graph-list")).to_contain_text(re.compile("1st by (words|meaning|names)"))
    graph.dialog.locator(".graph-list").get_by_role("button", name=re.compile("FM-03")).first.click()
    expect(graph.title).to_have_text(re.compile("^FM-03"))
    expect(graph.dialog.locator(".graph-list li").first).to_be_visible()


def test_a_name_that_is_not_there(page: Page, knowing: Server) -> None:
    """The nearest ones are told, and what was shown stays."""
    graph = opened(page, knowing)
    before = graph.nodes.count()
    graph.look_up("P-1O1")
    expect(graph.dialog.get_by_role("status")).to_contain_text("P-101")
    assert graph.nodes.count() == before


def test_a_source_says_why_and_leads_into_the_graph(page: Page, knowing: Server) -> None:
    """The opened source lists its reasons; around it stands what it mentions, and Read it comes back to its text."""
    chat = ChatPage(page, knowing.url)
    chat.ask(REMEDY)
    chat.wait_until_over()
    chat.text.locator(".cite").first.click()
    panel = page.get_by_role("complementary", name="Source")
    reasons = panel.locator(".found-by li")
    expect(reasons.filter(has_text=re.compile(r"^\d+(st|nd|rd|th) by (meaning|words|names)")).first).to_be_visible()
    heading = panel.get_by_role("heading", level=2).inner_text()
    panel.get_by_role("button", name="Show in the graph").click()
    graph = Graph(page)
    expect(graph.title).to_contain_text(re.sub(r"^\[\d+\] | ›.*", "", heading))
    graph.dialog.get_by_role("button", name="Read it").click()
    expect(graph.dialog).to_be_hidden()
    expect(panel.get_by_role("heading", level=2).first).to_be_focused()
    expect(panel.locator(".panel-body")).not_to_be_empty()


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_the_drawing_fits_a_narrow_window(page: Page, knowing: Server, width: int) -> None:
    """Nothing sticks out of the window, and on a narrow one not even of the drawing's own frame."""
    page.set_viewport_size({"width": width, "height": 700})
    graph = opened(page, knowing)
    graph.look_up("P-101")
    expect(graph.title).to_have_text("P-101")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.querySelector('#graph').scrollWidth <= innerWidth")
    if width < 800:
        assert graph.dialog.locator(".graph-canvas").evaluate("e => e.scrollWidth <= e.clientWidth")


def test_a_graph_that_cannot_be_read(page: Page, knowing: Server) -> None:
    """The dialog says so, and the next try shows it."""
    graph = opened(page, knowing)
    page.route("**/v1/graph?**", lambda route: route.fulfill(body="no graph"), times=1)
    graph.look_up("P-101")
    expect(graph.dialog.get_by_role("status")).to_have_text("The graph could not be read. Try again.")
    graph.look_up("P-101")
    expect(graph.title).to_have_text("P-101")
