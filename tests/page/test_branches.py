"""Questions that are edited or asked again: versions beside each other, each with what followed it."""

import pytest
from playwright.sync_api import Page, expect

from tests.page.chat_page import ChatPage
from tests.page.server import Server

pytestmark = pytest.mark.browser

VALVE = "Which part is needed when V-210 sticks?"
FAN = "Which belts drive F-402?"


def ask(chat: ChatPage, question: str, turns: int) -> None:
    chat.ask(question)
    expect(chat.turns).to_have_count(turns)
    chat.wait_until_over()


def test_an_edited_question_branches(page: Page, knowing: Server) -> None:
    """The edited question takes the old one's place, and a follow-up is read with it; the old version and its own
    follow-up are a click away and go on from there; the log has all of it, and so has a reload."""
    chat = ChatPage(page, knowing.url)
    ask(chat, VALVE, 1)
    ask(chat, "Where does it lie?", 2)
    expect(chat.turns.last.locator(".query")).to_have_text("Understood as: Where does V-210 lie?")
    chat.turns.first.get_by_role("button", name="Edit").click()
    expect(chat.question).to_have_value(VALVE)
    expect(page.locator("#hint")).to_contain_text("in place of the earlier one")
    ask(chat, FAN, 1)
    expect(chat.turns.first.locator(".versions")).to_contain_text("2 of 2")
    ask(chat, "Where does it stand?", 2)
    expect(chat.turns.last.locator(".query")).to_have_text("Understood as: Where does F-402 stand?")
    chat.turns.first.get_by_role("button", name="Earlier version").click()
    expect(chat.turns.first.locator(".question")).to_contain_text(VALVE)
    expect(chat.turns.last.locator(".question")).to_contain_text("Where does it lie?")
    ask(chat, "What closes it?", 3)
    expect(chat.turns.last.locator(".query")).to_have_text("Understood as: What closes V-210?")
    page.reload()
    expect(chat.turns).to_have_count(3)
    chat.turns.first.get_by_role("button", name="Later version").click()
    expect(chat.turns.last.locator(".question")).to_contain_text("Where does it stand?")
    told = page.request.get(f"{knowing.url}/v1/chats/{page.url.partition('#/')[2]}/answers").json()["answers"]
    first, second, *_ = (answer["answer"] for answer in told)
    assert [answer["after"] for answer in told] == [None, None, "", None, second]
    assert first != second


def test_a_question_that_is_asked_again_is_a_version(page: Page, scripted: Server) -> None:
    """The new answer stands in the old one's place, which is kept; the keyboard goes from one to the other."""
    question = "/script tokens=3"
    chat = ChatPage(page, scripted.url)
    ask(chat, "/script tokens=1", 1)
    ask(chat, question, 2)
    chat.turns.last.get_by_role("button", name="Ask again").click()
    expect(chat.turns.last.locator(".versions")).to_contain_text("2 of 2")
    chat.wait_until_over()
    expect(chat.turns).to_have_count(2)
    earlier = chat.turns.last.get_by_role("button", name="Earlier version")
    earlier.focus()
    page.keyboard.press("Enter")
    expect(chat.turns.last.locator(".versions")).to_contain_text("1 of 2")
    expect(chat.turns.last.get_by_role("button", name="Earlier version")).to_be_disabled()
    expect(chat.turns.last.locator(".text")).to_contain_text("t2")
