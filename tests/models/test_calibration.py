import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatserver.models.calibration import LEAST, REFUSED, foreign_questions, measured, own_question
from chatserver.models.weights import Limits
from retrieval.types import Passage

TRAINED = Limits(refuse_below=0.4, partly_below=0.8)
PROBABILITIES = st.lists(st.floats(0, 1), max_size=30)


def test_most_foreign_questions_are_refused() -> None:
    """The limit lies above all but a few of those that a corpus has nothing about."""
    told = [place / 1_000 for place in range(100)]
    refused = sum(one < measured({"en": told}, [], [], TRAINED).refuse_below for one in told)
    assert refused / len(told) == pytest.approx(REFUSED)


def test_the_worst_language_decides() -> None:
    """A corpus in which Dutch questions find more than English ones refuses more."""
    both = measured({"en": [0.01] * 20, "nl": [0.3] * 20}, [], [], TRAINED)
    assert both.refuse_below == 0.3


def test_a_corpus_that_speaks_of_all_keeps_the_trained_limit() -> None:
    """What foreign questions find there must not make it refuse its own."""
    assert measured({"en": [0.99] * 20}, [0.99], [0.98], TRAINED) == TRAINED


def test_in_part_lies_between_own_questions_with_and_without_their_document() -> None:
    """Where the two are apart, each lies on its side."""
    limit = measured({}, [0.5, 0.6, 0.7], [0.1, 0.2, 0.3], TRAINED).partly_below
    assert 0.3 < limit <= 0.5


@given(english=PROBABILITIES, dutch=PROBABILITIES, own=PROBABILITIES, without=PROBABILITIES)
def test_limits_stay_between_the_least_and_the_trained(
    english: list[float], dutch: list[float], own: list[float], without: list[float]
) -> None:
    """Whatever a corpus answers."""
    limits = measured({"en": english, "nl": dutch}, own, without, TRAINED)
    assert LEAST <= limits.refuse_below <= TRAINED.refuse_below
    assert LEAST <= limits.partly_below <= TRAINED.partly_below


def test_an_own_question_is_words_of_its_passage() -> None:
    """The title without what is in brackets, and three words of the sentence that says most."""
    passage = Passage("a", "a", "P-101 (pump)", "The pump was rebuilt by Anna Smit in Delft in May.")
    assert own_question(passage) == "P-101: pump smit may?"
    assert own_question(Passage("b", "b", "Empty", "Yes.")) == ""


def test_foreign_questions_are_in_both_languages() -> None:
    """Enough of each for a quantile, and none twice."""
    for questions in foreign_questions().values():
        assert len(set(questions)) == len(questions) >= 16
