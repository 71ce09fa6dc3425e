"""Ten questions in one chat, one after the other, in two languages: the acceptance scene D10, in a real browser."""

from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from tests.page.chat_page import ChatPage
from tests.page.server import Server

pytestmark = pytest.mark.browser


@dataclass(frozen=True)
class Asked:
    """`says` must stand in the answer; `language` is what it is told in; `query` what a follow-up stands for."""

    question: str
    language: str
    says: str
    query: str = ""


TEN = (
    Asked("Hallo!", "nl", "Vraag me iets over de documenten"),
    Asked("Wat is de huidige status van de machine?", "nl", "pump_bearing_wear"),
    Asked("What does alarm A-41 mean?", "en", "Pump vibration high"),
    Asked("And A-52?", "en", "Tower water conductivity high", "What does alarm A-52 mean?"),
    Asked("Which part is needed when V-210 sticks?", "en", "Stepper motor, 24 V"),
    Asked("Where does it lie?", "en", "lie in the store beside the workshop", "Where does V-210 lie?"),
    Asked("Hoeveel telemetry events zijn er?", "nl", "65"),
    Asked("Hoe snel moet de storingsmonteur op de locatie zijn?", "nl", "binnen 45 minuten op de locatie"),
    Asked("What is today's date?", "en", "Today is"),
    Asked("Bedankt!", "nl", "Graag gedaan."),
)


def test_ten_questions_are_all_answered(page: Page, knowing: Server) -> None:
    """Small talk, passages, records and follow-ups, mixed Dutch and English: each is answered with what it asks for,
    in its language; all ten are completed in the log, and a reload shows them again."""
    chat = ChatPage(page, knowing.url)
    for number, asked in enumerate(TEN, 1):
        chat.ask(asked.question)
        expect(chat.turns).to_have_count(number)
        chat.wait_until_over()
        chat.wait_for(asked.says)
        expect(chat.text).to_have_attribute("lang", asked.language)
        if asked.query:
            expect(chat.turns.last.locator(".query")).to_have_text(f"Understood as: {asked.query}")
    told = page.request.get(f"{knowing.url}/v1/chats/{page.url.partition('#/')[2]}/answers").json()["answers"]
    assert [(answer["question"], answer["state"]) for answer in told] == [(a.question, "completed") for a in TEN]
    assert all(asked.says in answer["text"] for asked, answer in zip(TEN, told, strict=True))
    page.reload()
    expect(chat.turns).to_have_count(len(TEN))
    for turn, asked in zip(chat.turns.all(), TEN, strict=True):
        expect(turn.locator(".text")).to_contain_text(asked.says)
