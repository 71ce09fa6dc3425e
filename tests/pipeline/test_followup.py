import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatserver.models.port import Turn
from chatserver.pipeline.followup import standalone

HARBOUR = Turn("Who directed The Silent Harbour?", "The Silent Harbour was directed by Maria Jansen in 1954 [1].")
BORN = Turn("Where was Maria Jansen born?", "Maria Jansen was born in Ghent [1].")
ZONE = Turn("What is the setpoint of zone 3?", "The setpoint of zone 3 is 4 degrees [1].")
PUMP = Turn("When was P-101 last serviced?", "P-101 was serviced on 2026-02-01 [1].")
OIL = Turn("How often is the compressor oil changed?", "Every 2000 hours [1].")
POMP = Turn("Wat is de functie van pomp P-101?", "P-101 pompt glycol rond [1].")
EVENT = Turn("What is the newest TelemetryEvent?", "TE-065 [9].")
TAAK = Turn("Wat is de laatste MaintenanceTask?", "MT-18 [9].")
DIENST = Turn("Wie is de storingsdienst?", "Jan de Vries heeft dienst in Utrecht [1].")


@pytest.mark.parametrize(
    ("turn", "question", "stands_for"),
    [
        (HARBOUR, "When was she born?", "When was Maria Jansen born?"),
        (HARBOUR, "What were her other films?", "What were Maria Jansen's other films?"),
        (BORN, "How many people live there?", "How many people live in Ghent?"),
        (ZONE, "And zone 5?", "What is the setpoint of zone 5?"),
        (PUMP, "And P-102?", "When was P-102 last serviced?"),
        (EVENT, "And the oldest?", "What is the oldest TelemetryEvent?"),
        (TAAK, "En de eerste?", "Wat is de eerste MaintenanceTask?"),
        (PUMP, "What about its bearing?", "What about P-101's bearing?"),
        (PUMP, "Why?", "Why (P-101)?"),
        (PUMP, "Who checks that pump?", "Who checks that pump (P-101)?"),
        (OIL, "Who does that?", "Who does that (compressor oil changed)?"),
        (POMP, "Wanneer is die voor het laatst onderhouden?", "Wanneer is die voor het laatst onderhouden (P-101)?"),
        (POMP, "En P-102?", "Wat is de functie van pomp P-102?"),
        (DIENST, "Wat is zijn telefoonnummer?", "Wat is zijn telefoonnummer (Jan de Vries)?"),
        (DIENST, "Waar woont hij?", "Waar woont hij (Jan de Vries)?"),
    ],
)
def test_a_follow_up_stands_alone(turn: Turn, question: str, stands_for: str) -> None:
    """Pronouns, places, "and X?" and half a question take what they mean from the last turn, in both languages."""
    assert standalone(question, [turn]) == stands_for


@pytest.mark.parametrize(
    "question",
    [
        "Which alarms exist in the plant?",
        "Is there a spare part for the oil pump?",
        "How does P-202 prime itself?",
        "What should I do if it smells of ammonia and my eyes hurt?",
        "Wat moet ik doen als het naar ammoniak ruikt en dat pijn doet aan mijn ogen?",
        "Hoe lang duurt een afspraak met de leverancier?",
        "Welke alarmen zijn actief?",
        "What is event 4711?",
        "And which alarms were raised on the eleventh of March?",
    ],
)
@pytest.mark.parametrize("turn", [PUMP, OIL, DIENST])
def test_a_question_of_its_own_is_left_alone(turn: Turn, question: str) -> None:
    """What stands alone already is searched for as it was asked."""
    assert standalone(question, [turn]) == question


def test_a_chain_of_follow_ups() -> None:
    """Each turn is read as what it stood for: "there" is the place of an answer whose question had no name."""
    said = Turn("Where was she born?", "Maria Jansen was born in Ghent [1].")
    assert standalone("What language is spoken there?", [HARBOUR, said]) == "What language is spoken in Ghent?"
    assert standalone("And The Red Mill?", [HARBOUR, Turn("Why?", "Nobody knows.")]) != "And The Red Mill?"


@given(st.text(), st.lists(st.builds(Turn, st.text(), st.text()), max_size=3))
def test_any_text_is_a_question(question: str, history: list[Turn]) -> None:
    """No text makes it fail; without a history a question is what it is."""
    assert standalone(question, []) == question
    assert isinstance(standalone(question, history), str)
