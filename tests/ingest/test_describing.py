"""What is said of passages without a model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatserver.ingest.dates import dates_in
from chatserver.ingest.describing import DATES, ENTITIES, KEYWORDS, about, described
from graph.linking import document_links
from graph.mentions import NameTrie
from retrieval.chunking import chunk
from retrieval.types import Document

REPORT = Document(
    "report",
    "Seal failure of pump P-101",
    "The seal of the pump failed on 4 March 2025. The Northern Works had fitted the seal in June 2023, and the pump "
    "was stopped by hand. A new seal came from the Northern Works on 2025-03-10.",
)


@pytest.mark.parametrize(
    ("text", "dates"),
    [
        ("on 2025-03-04 and 2025-03-04T06:00:00Z", ["2025-03-04"]),
        (
            "4 March 2025, 5th of April 2024, March 6, 2023, Sept. 7th 2022",
            "2025-03-04 2024-04-05 2023-03-06 2022-09-07",
        ),
        ("op 4 maart 2025, 1 mei 2024 en 12 mrt 2023", "2025-03-04 2024-05-01 2023-03-12"),
        ("since June 2023 and augustus 2022", "2023-06 2022-08"),
        ("30 February 2025, 2025-13-01, in 2025, part 2025-3-4, version 1.2.2025", ""),
        ("may 2 go, march 1999 miles", "1999-03"),
        ("\u017fept 1999 with an old s, 12 Mei 2024", "1999-09 2024-05-12"),
    ],
)
def test_dates_are_those_that_are_written_out(text: str, dates: str | list[str]) -> None:
    """English and Dutch, with their day or without; what is no day is none, neither is a bare year."""
    assert dates_in(text) == (dates.split() if isinstance(dates, str) else dates)


@given(st.text(max_size=200))
def test_no_text_breaks_them(text: str) -> None:
    """Whatever it is made of."""
    dates_in(text)
    about(Document("d", text, text))


def test_a_passage_is_described_by_rules() -> None:
    """Language and keywords of its document, its own names and dates; what the document says itself counts more."""
    document = Document(REPORT.id, REPORT.title, REPORT.text, {"keywords": ("mine",), "unit": 7})
    passages = chunk(document)
    (passage,) = described(document, passages, document_links("report", document.title, passages, NameTrie()).passages)
    assert passage.metadata == {
        "language": "en",
        "keywords": ("mine",),
        "unit": 7,
        "entities": ("Northern Works",),
        "dates": ("2025-03-04", "2023-06", "2025-03-10"),
        "year_from": 2023,
        "year_to": 2025,
    }
    assert about(REPORT)["keywords"][:2] == ("seal", "pump")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The pump was stopped by hand, and it is not known why.", "en"),
        ("De pomp werd met de hand gestopt, en het is niet bekend waarom.", "nl"),
        ("P-101 17 bar 45 C", None),
        ("Die Pumpe wurde von Hand angehalten; warum, weiß man bis heute nicht.", None),
        ("La pompe a été arrêtée à la main; on ne sait pas pourquoi.", None),
    ],
)
def test_a_language_is_told_where_it_is_sure(text: str, language: str | None) -> None:
    """English or Dutch, or nothing."""
    assert about(Document("d", "", text)).get("language") == language


def test_what_is_said_is_bounded() -> None:
    """However much a text names."""
    text = " ".join(f"In May {1900 + n} the Great Hall{n} Works met wordy{n} wordy{n}." for n in range(90))
    document = Document("d", "", text)
    passages = chunk(document)
    for passage in described(document, passages, document_links("d", "", passages, NameTrie()).passages):
        assert len(list(passage.metadata["keywords"])) <= KEYWORDS  # type: ignore[arg-type]
        assert len(list(passage.metadata.get("entities", ()))) <= ENTITIES  # type: ignore[arg-type]
        assert len(list(passage.metadata["dates"])) <= DATES  # type: ignore[arg-type]
