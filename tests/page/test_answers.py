"""An answer in the browser: whole and once, whatever happens to the page, the network or the server."""

import signal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from chatserver.models.scripted import parse_script, token_text
from tests.page.chat_page import ChatPage
from tests.page.relay import Relay
from tests.page.server import Server

pytestmark = pytest.mark.browser

SLOW = "/script tokens=60 delay_ms=25"
SLOWER = "/script tokens=200 delay_ms=25"
"""Where something has to be seen before it is over: a busy browser may look but once a second."""


def text_of(question: str) -> str:
    return parse_script(question).text()


def test_tokens_appear_as_they_are_written(page: Page, scripted: Server) -> None:
    """The first tokens stand on the page while later ones are still to come; at the end all are there."""
    chat = ChatPage(page, scripted.url)
    chat.ask(SLOWER)
    chat.wait_for(token_text(3).strip())
    assert token_text(199).strip() not in chat.text.inner_text()
    expect(page.get_by_role("button", name="Stop the answer")).to_be_visible()
    chat.expect_once(SLOWER, text_of(SLOWER))
    expect(page.get_by_role("button", name="Send")).to_be_visible()


def test_a_reload_in_mid_answer_loses_nothing(page: Page, scripted: Server) -> None:
    """What was shown is there again at once, only the rest is sent, and a later reload shows all."""
    chat = ChatPage(page, scripted.url)
    chat.ask(SLOWER)
    chat.wait_for(token_text(10).strip())
    before = len(chat.sent("resume"))
    page.reload()
    chat.wait_for(token_text(10).strip())
    chat.eventually(lambda: len(chat.sent("resume")) > before)
    assert [cursor["seq"] > 10 for cursor in chat.sent("resume")[before]["cursors"]] == [True]
    chat.expect_once(SLOWER, text_of(SLOWER))
    page.reload()
    chat.expect_once(SLOWER, text_of(SLOWER))


def test_a_closed_tab_opened_again_has_the_answer(context: BrowserContext, scripted: Server) -> None:
    """The answer goes on without the tab; the next one shows it whole."""
    first = ChatPage(context.new_page(), scripted.url)
    first.ask(SLOW)
    first.wait_for(token_text(5).strip())
    first.page.close()
    ChatPage(context.new_page(), scripted.url).expect_once(SLOW, text_of(SLOW))


def test_another_browser_finds_the_chat(browser: Browser, page: Page, scripted: Server) -> None:
    """A browser that has kept nothing finds the running answer in the list of chats."""
    question = "/script tokens=61 delay_ms=25"
    chat = ChatPage(page, scripted.url)
    chat.ask(question)
    chat.wait_for(token_text(5).strip())
    with browser.new_context() as other:
        second = ChatPage(other.new_page(), scripted.url)
        second.chats.filter(has_text=question).first.get_by_role("button").click()
        second.expect_once(question, text_of(question))
    chat.expect_once(question, text_of(question))


def test_two_tabs_show_the_same_answer(context: BrowserContext, scripted: Server) -> None:
    """Both tabs tail one log; neither shows the question twice."""
    first = ChatPage(context.new_page(), scripted.url)
    first.ask(SLOW)
    first.wait_for(token_text(2).strip())
    second = ChatPage(context.new_page(), first.page.url)
    for chat in (first, second):
        chat.page.bring_to_front()
        chat.expect_once(SLOW, text_of(SLOW))


def test_a_cut_network_is_resumed(page: Page, relay: Relay) -> None:
    """Cut again and again in mid-answer, the page comes back by itself and nothing is lost or doubled."""
    chat = ChatPage(page, relay.url)
    chat.ask(SLOW)
    for token in (5, 15, 25, 35, 45):
        chat.wait_for(token_text(token).strip())
        relay.cut()
    chat.expect_once(SLOW, text_of(SLOW))


def test_a_question_asked_without_a_network_is_sent_later(page: Page, relay: Relay) -> None:
    """The page says that it is not connected, keeps the question, and asks it once when the network is back."""
    question = "/script tokens=3"
    chat = ChatPage(page, relay.url)
    relay.cut(down=True)
    expect(page.locator("#connection")).to_have_attribute("data-state", "waiting")
    expect(page.locator("#banner")).to_contain_text("The connection is lost")
    chat.ask(question)
    expect(chat.turns.last).to_contain_text("Sending…")
    relay.down = False
    chat.expect_once(question, text_of(question))
    expect(page.locator("#banner")).to_be_hidden()


def test_try_now_does_not_wait_for_the_next_attempt(page: Page, relay: Relay) -> None:
    """With the page's timers stopped no attempt comes by itself: the button makes one at once."""
    page.clock.install()
    ChatPage(page, relay.url)
    relay.cut(down=True)
    expect(page.locator("#banner")).to_contain_text("The connection is lost")
    page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 60)
    try_now = page.get_by_role("button", name="Try now")
    expect(try_now).to_be_visible()  # not before the attempt that this jump in time has made has failed
    relay.down = False
    try_now.click()
    expect(page.locator("#connection")).to_have_attribute("data-state", "open")
    expect(page.locator("#banner")).to_be_hidden()


def test_an_offline_browser_comes_back(page: Page, context: BrowserContext, scripted: Server) -> None:
    """A browser that was offline in mid-answer shows all of it when it is online again."""
    chat = ChatPage(page, scripted.url)
    chat.ask(SLOW)
    chat.wait_for(token_text(5).strip())
    context.set_offline(True)
    expect(page.locator("#connection")).to_have_attribute("data-state", "waiting")
    context.set_offline(False)
    chat.expect_once(SLOW, text_of(SLOW))


def test_a_killed_server_started_again_finishes_the_answer(page: Page, own: Server) -> None:
    """After SIGKILL in mid-answer the next process takes over: one answer, with nothing told twice."""
    chat = ChatPage(page, own.url)
    chat.ask(SLOW)
    chat.wait_for(token_text(10).strip())
    own.end(signal.SIGKILL)
    expect(page.locator("#connection")).to_have_attribute("data-state", "waiting")
    own.start()
    chat.expect_once(SLOW, text_of(SLOW))


def test_a_restarting_server_hands_the_answer_over(page: Page, own: Server) -> None:
    """After SIGTERM in mid-answer the page comes back to the next process and shows one whole answer."""
    chat = ChatPage(page, own.url)
    chat.ask(SLOW)
    chat.wait_for(token_text(10).strip())
    own.end(signal.SIGTERM)
    own.start()
    chat.expect_once(SLOW, text_of(SLOW))


def test_stop_keeps_what_was_written(page: Page, scripted: Server) -> None:
    """The stop button ends the answer; its text stays, also after a reload, and it can be asked again."""
    question = "/script tokens=500 delay_ms=25"
    chat = ChatPage(page, scripted.url)
    chat.ask(question)
    chat.wait_for(token_text(5).strip())
    page.get_by_role("button", name="Stop the answer").click()
    expect(chat.turns.last).to_contain_text("Stopped. What was written is kept.")
    kept = chat.text.inner_text()
    assert text_of(question).startswith(kept)
    page.reload()
    expect(chat.text).to_have_text(kept)
    chat.turns.last.get_by_role("button", name="Ask again").click()
    expect(chat.turns.last.locator(".versions")).to_contain_text("2 of 2")
    chat.wait_for(token_text(2).strip())
    page.keyboard.press("Escape")
    chat.wait_until_over()


def test_two_chats_do_not_mix(page: Page, scripted: Server) -> None:
    """Answers of two chats run at a time; each chat shows its own, whole."""
    questions = ["/script tokens=50 delay_ms=25", "/script tokens=40 delay_ms=25 size=12"]
    chat = ChatPage(page, scripted.url)
    for question in questions:
        page.get_by_role("button", name="New chat").click()
        chat.ask(question)
        chat.wait_for(token_text(2).strip())
    for question in questions:
        chat.chats.filter(has_text=question).first.get_by_role("button").click()
        chat.expect_once(question, text_of(question))
    page.go_back()
    chat.expect_once(questions[0], text_of(questions[0]))


def test_a_failed_answer_says_so_and_can_be_tried_again(page: Page, scripted: Server) -> None:
    """The failure is told in plain words, what was written stays, and a button asks again."""
    question = "/script tokens=10 fail_after=4 error=timeout"
    chat = ChatPage(page, scripted.url)
    chat.ask(question)
    expect(chat.turns.last.get_by_role("alert")).to_contain_text("did not answer in time")
    expect(chat.text).to_have_text(text_of(question).strip())
    chat.turns.last.get_by_role("button", name="Try again").click()
    expect(chat.turns.last.locator(".versions")).to_contain_text("2 of 2")


def test_a_refused_question_can_be_edited(page: Page, scripted: Server) -> None:
    """A question that is too long is not lost: the page says why and gives it back for editing."""
    question = "why " * 5000
    chat = ChatPage(page, scripted.url)
    chat.ask(question)
    expect(chat.turns.last.get_by_role("alert")).to_contain_text("at most")
    chat.turns.last.get_by_role("button", name="Edit the question").click()
    expect(chat.question).to_have_value(question.strip())
    chat.ask("/script tokens=2")
    chat.wait_until_over()
    page.reload()
    chat.expect_once("/script tokens=2", text_of("/script tokens=2"))


def test_a_shown_answer_is_acknowledged(page: Page, scripted: Server) -> None:
    """Once its end has been shown, the server has nothing of the chat left to deliver."""
    chat = ChatPage(page, scripted.url)
    chat.ask("/script tokens=3")
    chat.wait_until_over()
    door = f"{scripted.url}/v1/chats/{page.url.partition('#/')[2]}/answers"
    assert len(page.request.get(door).json()["answers"]) == 1
    chat.eventually(lambda: page.request.get(f"{door}?undelivered=true").json()["answers"] == [])


def test_a_draft_outlives_the_page(context: BrowserContext, scripted: Server) -> None:
    """A question that was typed and not sent is there after a reload."""
    chat = ChatPage(context.new_page(), scripted.url)
    chat.question.fill("half a quest")
    chat.page.reload()
    expect(chat.question).to_have_value("half a quest")
