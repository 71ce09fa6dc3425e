from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatserver.pipeline.decide import Kind, decide
from chatserver.pipeline.wording import failure, reply
from retrieval.text import Language

NOW = datetime(2026, 3, 9, 14, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("question", "kind", "language"),
    [
        ("hi", "greeting", "en"),
        ("Hello!", "greeting", "en"),
        ("Good morning", "greeting", "en"),
        ("hoi", "greeting", "nl"),
        ("Goedemorgen!", "greeting", "nl"),
        ("Goede avond", "greeting", "nl"),
        ("How are you?", "well_being", "en"),
        ("Hoe gaat het met je?", "well_being", "nl"),
        ("thanks a lot", "thanks", "en"),
        ("Thank you!", "thanks", "en"),
        ("Dank je wel!", "thanks", "nl"),
        ("bedankt", "thanks", "nl"),
        ("bye", "farewell", "en"),
        ("Tot ziens", "farewell", "nl"),
        ("What can you do?", "capabilities", "en"),
        ("hello, what can you do for me", "capabilities", "en"),
        ("Wat kun je doen?", "capabilities", "nl"),
        ("Wie ben jij?", "capabilities", "nl"),
        ("What is today's date?", "date", "en"),
        ("what’s the date today", "date", "en"),
        ("What day is it today?", "date", "en"),
        ("Welke dag is het vandaag?", "date", "nl"),
        ("Wat is de datum van vandaag?", "date", "nl"),
        ("What time is it?", "time", "en"),
        ("Hallo, hoe laat is het nu?", "time", "nl"),
        ("Could you tell me the time, please?", "time", "en"),
        ("What is the current time?", "time", "en"),
        ("Can you tell me what day it is?", "date", "en"),
        ("Kun je me zeggen hoe laat het is?", "time", "nl"),
        ("Weet je welke dag het is?", "date", "nl"),
        ("Wat is vandaag de datum?", "date", "nl"),
        ("Waar kun je me mee helpen?", "capabilities", "nl"),
        ("Are you a robot?", "capabilities", "en"),
        ("Hoe heet je?", "capabilities", "nl"),
        ("Thanks, that helps!", "thanks", "en"),
        ("Super bedankt", "thanks", "nl"),
        ("Hoe gaat ie?", "well_being", "nl"),
        ("Have a nice day", "farewell", "en"),
        ("Welterusten", "farewell", "nl"),
        ("ok", "small_talk", "en"),
        ("Nice to meet you!", "small_talk", "en"),
        ("Can you tell me a joke?", "small_talk", "en"),
        ("Kun je een mop vertellen?", "small_talk", "nl"),
        ("Prima", "small_talk", "nl"),
        ("?!", "empty", "en"),
        ("   ", "empty", "en"),
    ],
)
def test_small_talk_needs_no_data(question: str, kind: Kind, language: Language) -> None:
    """A message that is small talk as a whole is answered as text, in its own language."""
    decision = decide(question)
    assert (decision.kind, decision.language) == (kind, language)
    assert reply(kind, language, NOW)


@pytest.mark.parametrize(
    "question",
    [
        "hi, why did P-101 trip?",
        "What is the date of birth of the inventor?",
        "What time is the next inspection?",
        "What day is the filter changed?",
        "Wat is de huidige status van de machine?",
        "Hoe gaat het vullen van het circuit?",
        "Thanks, and what about pump P-102?",
        "What can the operator do about alarm A-41?",
        "help with alarm A-41",
        "today",
        "P-101",
        "How are you cooled?",
        "Could you tell me the time of the next inspection?",
        "Do you know P-101?",
        "And the date?",
        "En de tijd?",
        "Weet je hoe laat de monteur komt?",
        "Can you tell me a fact about the coil?",
        "Is the yes in A-41 good?",
        "What is your name for P-101?",
    ],
)
def test_a_question_retrieves(question: str) -> None:
    """Anything that asks for more than small talk is retrieved."""
    assert decide(question).kind == "retrieve"


@given(st.text(max_size=200))
def test_every_text_is_decided(question: str) -> None:
    """Any text at all gets a decision with a reason."""
    assert decide(question).reason


def test_a_question_keeps_its_language() -> None:
    """A question's language is told by its function words."""
    assert decide("Hoe vaak moet het filter worden vervangen?").language == "nl"
    assert decide("How often must the filter be replaced?").language == "en"


def test_dates_are_told_in_words() -> None:
    """Date and time are those at which the question was asked, in UTC."""
    assert reply("date", "en", NOW) == "Today is Monday 9 March 2026 (UTC)."
    assert reply("date", "nl", NOW) == "Vandaag is het maandag 9 maart 2026 (UTC)."
    assert reply("time", "en", NOW) == "It is 14:05 (UTC)."


def test_an_unknown_failure_is_told_in_general_words() -> None:
    """A code without a sentence of its own gets one that tells nothing internal."""
    assert failure("model_unavailable", "en") != failure("odd", "en") == failure("internal", "en")
    assert failure("odd", "nl")


def test_a_short_question_for_a_number_has_its_language() -> None:
    """Its first word tells it where no function word does."""
    assert decide("Hoeveel alarmen per pomp?").language == "nl"
    assert decide("alarms per pump").language == "en"
