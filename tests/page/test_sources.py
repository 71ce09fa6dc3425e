"""Where an answer comes from: steps, citations, records, and documents that are up to no good."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.page.chat_page import ChatPage
from tests.page.server import Server

pytestmark = pytest.mark.browser

AMMONIA = "What should I do if it smells of ammonia and my eyes hurt?"
EVENT = "Show the latest TelemetryEvent of P-101."


def test_a_citation_opens_its_passage_at_the_quote(page: Page, knowing: Server) -> None:
    """The quote is marked and in view, the focus is on the source; Esc gives it back to the mark."""
    chat = ChatPage(page, knowing.url)
    chat.ask(AMMONIA)
    chat.wait_until_over()
    chip = chat.text.get_by_role("button", name=re.compile("^Source 1: ")).first
    quote = chip.locator("xpath=..").inner_text()
    chip.click()
    panel = page.get_by_role("complementary", name="Source")
    expect(panel.get_by_role("heading", level=2).first).to_be_focused()
    marked = panel.locator("mark")
    expect(marked.first).to_be_in_viewport()
    assert squeezed("".join(marked.all_inner_texts())) in squeezed(quote)
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(chip).to_be_focused()


def test_the_sources_stand_under_the_answer(page: Page, knowing: Server) -> None:
    """Each source that the text cites is listed once, with its number and title, and opens too."""
    chat = ChatPage(page, knowing.url)
    chat.ask(AMMONIA)
    chat.wait_until_over()
    cited = {chip.inner_text() for chip in chat.text.locator(".cite").all()}
    listed = [number.inner_text() for number in chat.turns.last.locator(".sources .number").all()]
    assert sorted(listed) == sorted(cited)
    chat.turns.last.locator(".sources").get_by_role("button").first.click()
    expect(page.get_by_role("complementary", name="Source").locator("mark").first).to_be_visible()


def test_the_steps_say_what_was_searched(page: Page, knowing: Server) -> None:
    """Each leg stands there with its state and time; opened, the steps show the passages and why each was found."""
    chat = ChatPage(page, knowing.url)
    chat.ask(AMMONIA)
    chat.wait_until_over()
    steps = chat.turns.last.locator("details.steps").first
    for leg in ("vector", "keyword"):
        expect(steps.locator(".leg", has_text=re.compile(rf"^{leg} \d+ ms$"))).to_be_visible()
    steps.locator("summary").click()
    expect(steps.get_by_role("region", name="Retrieval").get_by_role("row")).not_to_have_count(1)
    expect(steps).to_contain_text("Decision: retrieve.")
    expect(steps.locator(".passages li").first).to_contain_text(re.compile(r"\b1st by (meaning|words|names)"))
    expect(steps.locator(".timing")).to_contain_text("model extractive")


def test_small_talk_says_that_nothing_was_searched(page: Page, knowing: Server) -> None:
    """A greeting is answered, and the step says that there was no search."""
    chat = ChatPage(page, knowing.url)
    chat.ask("hello")
    chat.wait_until_over()
    expect(chat.turns.last.locator("summary").first).to_have_text("Answered without a search")
    expect(chat.turns.last.locator(".sources")).to_be_empty()


def test_records_are_a_table_and_can_be_cited(page: Page, knowing: Server) -> None:
    """A typed record is shown as a row, and its citation opens it, also after a reload."""
    chat = ChatPage(page, knowing.url)
    chat.ask(EVENT)
    chat.wait_until_over()
    for _ in range(2):
        chat.turns.last.get_by_text("1 record of TelemetryEvent").click()
        table = chat.turns.last.get_by_role("region", name="Records: TelemetryEvent")
        expect(table.get_by_role("row").last).to_contain_text("P-101")
        chat.text.locator(".cite").first.click()
        panel = page.get_by_role("complementary", name="Source")
        expect(panel.get_by_role("rowheader")).to_have_text(table.get_by_role("rowheader").inner_text())
        page.keyboard.press("Escape")
        page.reload()
        chat.wait_until_over()


def test_the_notice_says_that_no_model_is_configured(page: Page, knowing: Server) -> None:
    """An extractive answer says what it is, also after a reload."""
    chat = ChatPage(page, knowing.url)
    chat.ask(AMMONIA)
    chat.wait_until_over()
    expect(chat.turns.last.locator('[data-code="no_model"]')).to_be_visible()
    page.reload()
    expect(chat.turns.last.locator('[data-code="no_model"]')).to_be_visible()


def test_markup_in_documents_and_questions_stays_text(page: Page, knowing: Server) -> None:
    """Script, images and `javascript:` links of a document or a question are shown and never become elements."""
    chat = ChatPage(page, knowing.url)
    chat.ask('How does the grobulator hum? <img src=x onerror="document.title=1">')
    chat.wait_until_over()
    expect(chat.text).to_contain_text("grobulator hums")
    chat.text.locator(".cite").first.click()
    panel = page.get_by_role("complementary", name="Source")
    expect(panel).to_contain_text("<img src=x onerror=\"document.title='taken'\">")
    expect(panel).to_contain_text("javascript:document.title")
    expect(chat.turns.last).to_contain_text("<img src=x onerror=")
    assert page.locator("main img, aside img, main script, aside script, [onerror], a[href^=javascript]").count() == 0
    assert page.title() not in {"taken", "1"}


def test_what_no_cited_source_says_is_told(page: Page, scripted: Server, knowing: Server) -> None:
    """Statements that nothing cited carries are counted under the answer and listed on demand, also after a reload; an
    answer of literal quotes has no such line, only a word in its steps."""
    chat = ChatPage(page, scripted.url)
    chat.ask("/script tokens=3")
    chat.wait_until_over()
    page.reload()
    grounding = chat.turns.last.locator(".grounding")
    expect(grounding).to_contain_text("0 of 1 statements found in the sources they cite")
    grounding.locator("summary").click()
    expect(grounding.get_by_role("listitem")).to_have_text("t0xxxxx t1xxxxx t2xxxxx")
    chat.open(knowing.url)
    chat.ask("What does alarm A-41 mean?")
    chat.wait_until_over()
    expect(chat.turns.last.locator(".grounding")).to_have_count(0)
    chat.turns.last.locator("details.steps summary").first.click()
    expect(chat.turns.last.locator(".steps").first).to_contain_text(re.compile(r"(\d) of \1 statements found"))


def test_a_source_that_is_gone_still_shows_the_quote(page: Page, knowing: Server) -> None:
    """When the passage cannot be opened, the panel says so and shows what the answer had quoted."""
    chat = ChatPage(page, knowing.url)
    chat.ask(AMMONIA)
    chat.wait_until_over()
    page.route("**/v1/passages/**", lambda route: route.fulfill(body="no passage"))
    chat.text.locator(".cite").first.click()
    panel = page.get_by_role("complementary", name="Source")
    expect(panel.get_by_role("alert")).to_have_text("The source could not be opened.")
    expect(panel.locator("blockquote")).not_to_be_empty()


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)
