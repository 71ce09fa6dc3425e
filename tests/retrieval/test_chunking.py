import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.chunking import chunk, embedded_text
from retrieval.types import Document

TEXTS = st.text(alphabet=st.sampled_from(list("ab.,;! \n\t-é\U0001f600\u2003")), max_size=400)


@given(TEXTS, st.integers(1, 60))
def test_passages_cover_the_text_within_the_budget(text: str, size: int) -> None:
    """Every passage is its slice of the text, fits, is not blank; only white space lies between passages."""
    passages = chunk(Document("d", "T", text), size=size)
    end = 0
    for index, passage in enumerate(passages):
        assert passage.text == text[passage.start : passage.end]
        assert passage.text.strip() == passage.text != ""
        assert len(passage.text) <= size
        assert text[end : passage.start].strip() == ""
        assert passage.index == index
        end = passage.end
    assert text[end:].strip() == ""


def test_a_text_that_fits_keeps_its_documents_id() -> None:
    """A passage given whole is one chunk named like the document; more chunks are numbered."""
    whole = chunk(Document("d", "T", " one two three "), size=13)
    assert [(p.id, p.text, p.start, p.end) for p in whole] == [("d", "one two three", 1, 14)]
    assert [p.id for p in chunk(Document("d", "T", "one two three"), size=9)] == ["d#0", "d#1"]


def test_borders_fall_between_paragraphs_first() -> None:
    """A paragraph that fits is not cut."""
    paragraphs = ["First paragraph. It has two sentences.", "Second paragraph, which is as long."]
    assert [p.text for p in chunk(Document("d", "T", "\n\n".join(paragraphs)), size=40)] == paragraphs


def test_passages_carry_title_and_metadata() -> None:
    """What is known of the document is known of its passages."""
    (passage,) = chunk(Document("d", "T", "text", {"unit": 4}))
    assert (passage.title, passage.document, passage.metadata) == ("T", "d", {"unit": 4})


def test_a_blank_document_has_no_passages() -> None:
    """White space alone is nothing to retrieve."""
    assert chunk(Document("d", "T", " \n ")) == []


def test_a_budget_of_nothing_is_an_error() -> None:
    """The size must be positive."""
    with pytest.raises(ValueError):
        chunk(Document("d", "T", "text"), size=0)


def test_a_long_text_without_any_border_is_cut_all_the_same() -> None:
    """A megabyte of one letter comes out in full passages."""
    passages = chunk(Document("d", "T", "x" * 1_000_000), size=1_000)
    assert len(passages) == 1_000


def test_a_vector_is_made_from_title_and_text() -> None:
    """The title stands before the text, when there is one."""
    assert [embedded_text(p) for p in chunk(Document("d", "T", "text"))] == ["T. text"]
    assert [embedded_text(p) for p in chunk(Document("d", " ", "text"))] == ["text"]
