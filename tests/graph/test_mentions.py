"""Mentions of names and phrases in a text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.mentions import NameTrie, find, names_in, runs
from graph.names import fold_name


def mentioned(text: str, *names: str) -> list[str]:
    return [span.name for span in find(text, NameTrie(map(fold_name, names))).spans]


def test_the_longest_name_wins() -> None:
    """`New York City` is not a mention of `New York`, and its words are used up."""
    found = find("She left New York City.", NameTrie(["new york", "new york city", "city"]))
    assert [(span.entity, span.start, span.end) for span in found.spans] == [("new york city", 9, 22)]


def test_a_name_of_one_word_needs_a_capital() -> None:
    """Without one it is told as a plain word."""
    found = find("At home, the film Home was shown.", NameTrie(["home"]))
    assert [span.start for span in found.spans] == [18]
    assert found.plain == {"home"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("He studied Person-centered therapy there.", ["Person-centered therapy"]),
        ("He studied person-centered therapy there.", []),
        ("the fall of the house of usher", ["the fall of the house of usher"]),
        ("It was 12 Angry Men.", ["12 Angry Men"]),
    ],
)
def test_a_longer_name_needs_a_capital_unless_it_is_long(text: str, found: list[str]) -> None:
    """A leading capital, or four words."""
    names = ["Person-centered therapy", "The Fall of the House of Usher", "12 Angry Men"]
    assert [name for name in mentioned(text, *names) if fold_name(name) in map(fold_name, names)] == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The duty pump P-101 feeds E-301.", ["P-101", "E-301"]),
        ("It was made by the Bank of England in London.", ["Bank of England", "London"]),
        ("In March 2026 the pump failed. However, nobody came.", []),
        ("Terence D. Robinson wrestled.", ["Terence D. Robinson"]),
        ("De storing in Koelunit CU-7 is verholpen.", ["Koelunit CU-7"]),
        ("Pumps are red. NASA is not. Ice melts.", ["NASA"]),
        ("| A-11 | Low flow |\n| A-12 | High |", ["A-11", "A-12"]),
        ("", []),
    ],
)
def test_capitalised_phrases_are_entities(text: str, found: list[str]) -> None:
    """Small words may stand inside; what only opens a sentence or names a date is left out."""
    assert mentioned(text) == found


def test_an_entity_is_found_once() -> None:
    """At its first place, whether as a name or as a phrase."""
    found = find("P-101 and P-101 again, says Eve; Eve knows p-101.", NameTrie(["p 101"]))
    assert [(span.entity, span.start) for span in found.spans] == [("p 101", 0), ("eve", 28)]


@settings(deadline=None)  # the machine may be busy
@given(st.text(alphabet="aAbB P-1.,'é\n", max_size=60), st.lists(st.text("ab p1", min_size=1, max_size=6)))
def test_spans_are_where_they_say(text: str, names: list[str]) -> None:
    """Every span's text folds to its entity, and every known name written in full with a capital is found."""
    found = find(text, NameTrie(map(fold_name, names)))
    for span in found.spans:
        assert fold_name(text[span.start : span.end]) == span.entity
    assert not found.plain - set(map(fold_name, names))


def test_names_in_a_question() -> None:
    """Several words need no capital there, one word does, and function words never count."""
    names = NameTrie(["get low", "home", "who", "p 101"])
    asked = names_in("Who sings get low at home near P-101?", names)
    assert [(name.entity, name.words, name.capital) for name in asked] == [("get low", 2, False), ("p 101", 2, True)]


def test_runs_are_all_the_names_that_a_question_could_hold() -> None:
    """Every run of words up to the longest name, folded, once."""
    assert runs("Is P-101 P?", longest=2) == ["is", "is p", "p", "p 101", "101", "101 p"]
