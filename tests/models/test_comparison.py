from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatserver.models.comparison import compared
from chatserver.models.extractive import ExtractiveModel
from chatserver.models.port import Context, ModelRequest
from retrieval.text import Language
from retrieval.types import Passage, RankedPassage


def passage(title: str, text: str) -> Passage:
    return Passage(title, title, title, text)


ANNA = passage("Anna Vos", "Anna Vos (12 May 1901 – 3 June 1970) was a Dutch painter.")
BRAM = passage("Bram Kuil (painter)", "Bram Kuil( born 4 March 1898, died July 1, 1980) was a painter.")
CARL = passage("Carl Lint", "Carl Lint (born 1898) is a painter.")
RAIN = passage("Rain (film)", "Rain is a 1931 film directed by Anna Vos, with music by Carl Lint.")
SNOW = passage("Snow (1940 film)", "Snow is a 1940 film written and directed by Bram Kuil.")
ALL = (ANNA, BRAM, CARL, RAIN, SNOW)


def winner(question: str, passages: Sequence[Passage] = ALL) -> str | None:
    found = compared(question, passages)
    return found.one.title if found else None


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Who died first, Anna Vos or Bram Kuil?", "Anna Vos"),
        ("Who died later, Anna Vos or Bram Kuil?", "Bram Kuil"),
        ("Who is older, Anna Vos or Bram Kuil (painter)?", "Bram Kuil"),
        ("Who is younger, Bram Kuil or Anna Vos?", "Anna Vos"),
        ("Was Anna Vos or Bram Kuil born first?", "Bram Kuil"),
        ("Which film has the director who died first, Snow or Rain?", "Rain"),
        ("Which film whose director is older, Rain (Film) or Snow (1940 Film)?", "Snow"),
        ("Wie is ouder, Anna Vos of Bram Kuil?", "Bram Kuil"),
        ("Wie is eerder overleden, Bram Kuil of Anna Vos?", "Anna Vos"),
    ],
)
def test_two_dates_are_compared(question: str, answer: str) -> None:
    """Births and deaths, of persons and of films' directors, in both languages and either direction."""
    assert winner(question) == answer


@pytest.mark.parametrize(
    "question",
    [
        "Who died first, Anna Vos or Carl Lint?",  # no day of death
        "Who is older, Bram Kuil or Carl Lint?",  # the same year, and one without a day
        "Who is older, Anna Vos or Dirk Wal?",  # not found
        "Which film was released first, Rain or Snow?",  # another sort of date
        "Who is older, Anna Vos, Bram Kuil or Carl Lint?",  # three
        "Who painted more, Anna Vos or Bram Kuil?",
        "When did Anna Vos die?",
    ],
)
def test_nothing_is_guessed(question: str) -> None:
    """Without two dates of the wanted sort that are apart there is no short answer."""
    assert winner(question) is None


def test_a_name_that_two_passages_bear_is_nobodys() -> None:
    """Which of the two is meant is not for the answer to say."""
    other = passage("Anna Vos (singer)", "Anna Vos (1 May 1950 – 2 May 1999) was a singer.")
    assert (
        winner("Who died first, Snow or Bram Kuil?", [BRAM, other, passage("Snow (a)", "x"), passage("Snow (b)", "y")])
        is None
    )


@given(st.text(max_size=80), st.text(max_size=200))
def test_any_text_can_be_asked_about(question: str, text: str) -> None:
    """Whatever a question and a passage hold, nothing breaks."""
    compared(f"Who died first, {question} or Anna Vos?", [ANNA, passage(question, text)])


@pytest.mark.parametrize(
    ("question", "language", "line"),
    [
        (
            "Who died first, Bram Kuil or Anna Vos?",
            "en",
            "**Anna Vos**: died 3 June 1970 [1]; Bram Kuil: died July 1, 1980 [2].",
        ),
        (
            "Welke film heeft de regisseur die ouder is, Rain of Snow?",
            "nl",
            "**Snow** (Bram Kuil): geboren 4 March 1898 [5][2]; Rain (Anna Vos): geboren 12 May 1901 [4][1].",
        ),
    ],
)
async def test_the_short_answer_comes_before_the_quotes(question: str, language: Language, line: str) -> None:
    """In one line with its sources; with it an answer has at most five sentences and 120 words."""
    ranked = tuple(RankedPassage(one, 1.0) for one in ALL)
    told = await ExtractiveModel().extract(ModelRequest(question, language, Context(ranked), ()))
    assert told.text.splitlines()[0] == line
    assert 1 <= len(told.chosen) <= 4
    assert told.cited >= {0, 1}
