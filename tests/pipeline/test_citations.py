import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatserver.pipeline.citations import Marks, Source, citations, claims
from chatserver.protocol.chunks import citation

# Every character that matters to a mark, often.
texts = st.text(st.sampled_from("[]0123, .ab\n\\x"), max_size=60)


def filtered(pieces: list[str], sources: int) -> tuple[str, int]:
    marks = Marks(sources)
    shown = "".join([marks.feed(piece) for piece in pieces])
    return shown + marks.finish(), marks.dropped


@given(text=texts, cuts=st.lists(st.integers(0, 60)), sources=st.integers(0, 4))
def test_any_split_gives_the_same_text(text: str, cuts: list[int], sources: int) -> None:
    """However a text is cut into deltas, the same text is shown and the same marks are dropped."""
    at = sorted({0, *(cut for cut in cuts if cut < len(text)), len(text)})
    pieces = [text[a:b] for a, b in pairwise(at)]
    assert filtered(pieces, sources) == filtered([text], sources) == filtered(list(text), sources)


@given(text=texts, sources=st.integers(0, 4))
def test_shown_marks_point_somewhere(text: str, sources: int) -> None:
    """No mark of a number that no source has is shown as it was written."""
    shown, _ = filtered([text], sources)
    original = {int(n) for n in re.findall(r"\[([0-9]{1,4})\]", text)}
    assert {int(n) for n in re.findall(r"\[([0-9]{1,4})\]", shown)} - original <= set(range(1, sources + 1))


@given(text=st.text(max_size=80))
def test_a_text_without_marks_is_unchanged(text: str) -> None:
    """Text without brackets passes as it is."""
    text = text.replace("[", "")
    assert filtered(list(text), 3) == (text, 0)


@pytest.mark.parametrize(
    ("written", "shown", "dropped"),
    [
        ("It is so [1].", "It is so [1].", 0),
        ("It is so [9].", "It is so.", 1),
        ("Both [1, 2] and [2][7].", "Both [1][2] and [2].", 1),
        ("a list [ ] or [,] or [x]", "a list [ ] or [,] or [x]", 0),
        ("[0] and [-1]", " and [-1]", 1),
        ("open [1", "open [1", 0),
        ("[[1]]", "[[1]]", 0),
        ("[" + "1" * 30 + "]", "[" + "1" * 30 + "]", 0),
    ],
)
def test_marks_are_checked(written: str, shown: str, dropped: int) -> None:
    """Marks of known sources stay, lists of numbers become single marks, others go with the space before them."""
    assert filtered([written], 2) == (shown, dropped)


def test_text_is_held_back_only_while_it_may_be_a_mark() -> None:
    """A word is shown with the delta that brings it."""
    marks = Marks(1)
    assert [marks.feed(delta) for delta in ("one ", "two", " [", "1", "]", " three")] == [
        "one",
        " two",
        "",
        "",
        " [1]",
        " three",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The pump stops [1].", ["The pump stops"]),
        ("The pump stops. [1] The valve shuts. [2]", ["The pump stops.", "The valve shuts."]),
        ("The pump stops [1][2].", ["The pump stops", "The pump stops"]),
        ("The pump stops at 80 °C [1] and the valve shuts [2].", ["The pump stops at 80 °C", None]),
        ("- “Check the oil.” [1]\n- “Open V-12.” [1]", ["“Check the oil.”", "“Open V-12.”"]),
        ("# Title\n\n2. First do this [1]", ["First do this"]),
        ("[1]", [""]),
        ("Text.\n# Heading [1]", ["# Heading"]),
    ],
)
def test_a_mark_stands_behind_the_sentence_before_it(text: str, expected: list[str | None]) -> None:
    """A citation covers the last sentence before its mark, without bullets, across an earlier mark inside it."""
    found = [text[start:end] for _, start, end in claims(text)]
    assert [got if want is not None else None for got, want in zip(found, expected, strict=True)] == expected
    if None in expected:
        assert found[1] == "The pump stops at 80 °C [1] and the valve shuts"


@given(text=texts)
def test_citations_lie_within_the_text(text: str) -> None:
    """Offsets are ordered and within the text, whatever it is."""
    for _, start, end in claims(text):
        assert 0 <= start <= end <= len(text)


def test_a_quote_is_the_sources_own_words() -> None:
    """The quote is an exact part of the source: the sentence that shares most words with the claim."""
    source = "Stop the pump first.\n\nThe **oil level** must stand\nbetween the marks. Then open the valve."
    (cited,) = citations("The level of the oil is between two marks [1].", [Source("doc#0", source)])
    assert cited["source"]["id"] == "doc#0"
    assert cited["citedText"] in source
    assert cited["citedText"].startswith("The **oil level**")


def test_a_source_without_words_has_an_empty_quote() -> None:
    """A source that is gone is still cited, without a quote."""
    assert citations("So it is [1].", [Source("gone", "", "Gone")]) == [citation("gone", "Gone", 0, 8, "")]


def test_a_mark_of_no_source_makes_no_citation() -> None:
    """A number beyond the sources is left out."""
    assert citations("So it is [2].", [Source("a", "It is so.")]) == []
