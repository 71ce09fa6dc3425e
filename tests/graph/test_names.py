"""Names and their folding."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.names import fold_name, record_names, title_names, words
from graph.types import Record


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("Pump P-101", "pump p 101"),
        ("Núñez", "nunez"),
        ("Nu\u0301n\u0303ez", "nunez"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("failure_mode", "failure mode"),
        ("—", ""),
    ],
)
def test_spellings_of_one_name_fold_to_one_id(name: str, folded: str) -> None:
    """Case, accents (composed or not) and punctuation make no difference."""
    assert fold_name(name) == folded


@settings(deadline=None)  # the machine may be busy
@given(st.text())
def test_folding_is_stable(name: str) -> None:
    """An id folds to itself, and has letters, digits and single spaces only."""
    folded = fold_name(name)
    assert fold_name(folded) == folded
    assert all(word.isalnum() for word in folded.split(" ") if folded)


@settings(deadline=None)  # the machine may be busy
@given(st.text())
def test_words_lie_in_the_text_in_order(text: str) -> None:
    """The places of words do not overlap, and each holds the word that was folded."""
    found = words(text)
    before = 0
    for folded, capital, start, end in zip(found.folded, found.capital, found.starts, found.ends, strict=True):
        assert before <= start < end <= len(text)
        assert fold_name(text[start:end]) == folded
        assert capital == (text[start:end].lower() != text[start:end])
        before = end


@pytest.mark.parametrize(
    ("title", "names"),
    [
        ("Get Low (Dillon Francis song)", ["Get Low (Dillon Francis song)", "Get Low"]),
        ("P-101 (glycol pump, duty)", ["P-101 (glycol pump, duty)", "P-101"]),
        ("Springfield Township, Ohio", ["Springfield Township, Ohio", "Springfield Township"]),
        ("Paris, Texas", ["Paris, Texas"]),
        ("(untitled)", ["(untitled)"]),
        ("  ", []),
        ("!!!", []),
    ],
)
def test_a_title_gives_its_short_forms(title: str, names: list[str]) -> None:
    """Without a trailing bracket, and before a comma when two words are left; what has no word is no name."""
    assert [entity.name for entity in title_names(title)] == names


def test_a_record_is_named_by_ids_and_by_texts_that_name_things() -> None:
    """Its key and `P-101` are names; numbers, times, enumerations and sentences are not."""
    fields: dict[str, str | float | None] = {
        "component": "P-101",
        "t_start": "2026-03-11T06:00:00Z",
        "mode": "cooling",
        "value": 7.4,
        "note": "The pump was stopped by hand at six",
        "gone": None,
    }
    names = record_names(Record("TelemetryEvent", "TE-1", fields))
    assert {field: entity.id for field, entity in names.items()} == {"id": "te 1", "component": "p 101"}
