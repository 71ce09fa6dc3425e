"""Chunks of Markdown."""

from hypothesis import given, settings
from hypothesis import strategies as st

from chatserver.ingest.sections import passages_of
from retrieval.chunking import SIZE
from retrieval.types import Document

LONG = "A sentence about the pump. " * 30


def markdown(text: str) -> Document:
    return Document("doc.md", "Title", text, {"format": "markdown"})


def test_sections_are_borders() -> None:
    """Each section is a passage of its own, titled by its heading."""
    passages = passages_of(markdown(f"# Title\n\n{LONG}\n\n## Alarms\n\n{LONG}\n\n## Limits ##\n\n{LONG}"))
    assert [(p.id, p.index, p.title) for p in passages] == [
        ("doc.md#0", 0, "Title"),
        ("doc.md#1", 1, "Title › Alarms"),
        ("doc.md#2", 2, "Title › Limits"),
    ]
    assert passages[1].text.startswith("## Alarms")


def test_small_sections_stay_together() -> None:
    """A document of a few lines is one passage with the document's id."""
    (passage,) = passages_of(markdown("# Title\n\nA line.\n\n## Alarms\n\nA line."))
    assert (passage.id, passage.title, passage.index) == ("doc.md", "Title", 0)


def test_a_long_section_is_chunked() -> None:
    """All its chunks have its title."""
    passages = passages_of(markdown(f"# Title\n\n{LONG}\n\n## Alarms\n\n{LONG * 4}"))
    assert len(passages) > 2
    assert {p.title for p in passages[1:]} == {"Title › Alarms"}


def test_a_heading_in_a_code_block_is_none() -> None:
    """It does not part the block."""
    (passage,) = passages_of(markdown(f"# Title\n\n{LONG}\n\n```sh\n# not a heading\n```"))
    assert "not a heading" in passage.text


def test_other_texts_have_no_sections() -> None:
    """A text file's `# line` is a line."""
    (passage,) = passages_of(Document("a.txt", "a", f"{LONG}\n# Alarms\n{LONG[:300]}", {"format": "text"}))
    assert passage.title == "a"


_lines = st.sampled_from(
    ["# One", "## Two ##", "### Three", "", "```", "text", "x " * 300, "word " * 600, "\x0b# y\x0b"]
)


@settings(deadline=None)  # the machine may be busy
@given(st.lists(_lines, max_size=20).map("\n".join))
def test_passages_cover_the_text(text: str) -> None:
    """In order, each where it says, of bounded size, with nothing but white space between them."""
    passages = passages_of(markdown(text))
    end = 0
    for index, passage in enumerate(passages):
        assert passage.index == index
        assert passage.text == text[passage.start : passage.end]
        assert not text[end : passage.start].strip()
        assert 0 < len(passage.text) <= SIZE
        end = passage.end
    assert not text[end:].strip()
    assert len({passage.id for passage in passages}) == len(passages)
