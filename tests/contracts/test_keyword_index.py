"""What every `KeywordIndex` must do."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrieval.chunking import chunk
from retrieval.embedded.database import Database
from retrieval.embedded.documents import SqliteDocumentStore
from retrieval.embedded.keywords import SqliteKeywordIndex
from retrieval.errors import InvalidFilter
from retrieval.ports import DocumentStore, KeywordIndex
from retrieval.text import MAX_WORDS
from retrieval.types import Document, Metadata

SYNTAX = ['"', '""', "(", "*", "NOT", "AND OR", "\ud800", "scope : n", "'; DROP TABLE keywords; --"]
SYNTAX += ["pump AND", "NOT pump", "pump NEAR/2 valve", "title:pump", "{title body} : pump", "pump OR"]
SYNTAX += ["^pump", "-pump", "pump*", "\0pump", "pump\0valve"]


@dataclass
class Shelf:
    documents: DocumentStore
    index: KeywordIndex

    async def put(self, id: str, title: str, text: str, namespace: str = "", **metadata: str | int) -> None:
        values: Metadata = metadata
        document = Document(id, title, text, values)
        await self.documents.put(document, chunk(document), "hash", namespace=namespace)

    async def find(self, text: str, top_k: int = 10, namespace: str = "") -> list[str]:
        return [hit.passage for hit in await self.index.search(text, top_k=top_k, namespace=namespace)]


@pytest.fixture(params=["sqlite"])
async def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shelf]:
    db = await Database.open(tmp_path / "store.db")
    shelf = Shelf(await SqliteDocumentStore.open(db), await SqliteKeywordIndex.open(db))
    await shelf.put("pump", "Pump P-101", "The pump circulates the coolant. Check its bearings.", unit=1)
    await shelf.put("valve", "Valve V-7", "The valve closes when the pump stops.", unit=2)
    await shelf.put("koeler", "De koeler", "Voor het starten van de koelers moet de druk worden gecontroleerd.", unit=2)
    await shelf.put("who", "The Who", "They were a band.", unit=3)
    yield shelf
    await db.aclose()


async def test_the_best_match_comes_first(shelf: Shelf) -> None:
    """A word in the title counts more than one in the text; scores fall."""
    hits = await shelf.index.search("pump", top_k=10)
    assert [hit.passage for hit in hits] == ["pump", "valve"]
    assert hits[0].score > hits[1].score > 0


async def test_inflections_and_marks_do_not_matter(shelf: Shelf) -> None:
    """Plural and accented forms are found in both languages."""
    assert await shelf.find("PÚMPS bearing") == ["pump", "valve"]
    assert await shelf.find("koeler gestart") == ["koeler"]
    assert await shelf.find("Hoe hoog moet de druk zijn?") == ["koeler"]


async def test_function_words_are_looked_up_when_there_are_no_others(shelf: Shelf) -> None:
    """A name of function words is found; beside other words they are left out."""
    assert (await shelf.find("the who"))[0] == "who"
    assert await shelf.find("where is the valve") == ["valve"]


async def test_a_text_without_a_word_finds_nothing(shelf: Shelf) -> None:
    """Punctuation and white space alone are no query."""
    for text in ("", " ", "?!", "😀"):
        assert await shelf.find(text) == []


@pytest.mark.parametrize("text", SYNTAX)
async def test_operators_of_the_engine_are_data(shelf: Shelf, text: str) -> None:
    """Query syntax in a question is read as words, and never as an operator or an error."""
    found = await shelf.find(text)
    assert "pump" in found if "pump" in text else "pump" not in found
    assert await shelf.find("pump") == ["pump", "valve"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text() | st.text(st.sampled_from('pump"*():^{}-+ NEARORAND\0')))
async def test_no_text_breaks_the_search(shelf: Shelf, text: str) -> None:
    """Whatever a user types gives hits or none, never an error."""
    assert len(await shelf.find(text)) <= 4


async def test_top_k_bounds_the_hits(shelf: Shelf) -> None:
    """At most `top_k`, the best ones; none for zero."""
    assert await shelf.find("pump", top_k=1) == ["pump"]
    assert await shelf.find("pump", top_k=0) == []
    assert await shelf.find("pump", top_k=-1) == []


async def test_filters_are_applied_before_the_cut(shelf: Shelf) -> None:
    """The best of those that match the filter, even when better ones do not."""
    hits = await shelf.index.search("pump", top_k=1, filter={"unit": {"$gte": 2}})
    assert [hit.passage for hit in hits] == ["valve"]
    assert await shelf.index.search("pump", top_k=1, filter={"unit": 9}) == []
    with pytest.raises(InvalidFilter):
        await shelf.index.search("pump", top_k=1, filter={"unit": {"$like": "x"}})


async def test_namespaces_are_apart(shelf: Shelf) -> None:
    """What one tenant stored is never found by another."""
    await shelf.put("pump", "Pump of b", "pump", namespace="b")
    assert await shelf.find("pump", namespace="b") == ["pump"]
    assert await shelf.find("pump", namespace="ab") == []
    assert await shelf.find("pump") == ["pump", "valve"]


async def test_replaced_and_deleted_text_is_not_found(shelf: Shelf) -> None:
    """The index follows the documents."""
    await shelf.put("pump", "Compressor", "It compresses.")
    assert await shelf.find("pump") == ["valve"]
    assert await shelf.find("compressor") == ["pump"]
    await shelf.documents.delete("pump")
    assert await shelf.find("compressor") == []


async def test_a_book_pasted_as_a_question_is_bounded(shelf: Shelf) -> None:
    """100 kB of text are searched by their first words."""
    book = "pump " + " ".join(f"word{i}" for i in range(12_000))
    assert await shelf.find(book) == ["pump", "valve"]


async def test_words_are_counted_in_any_inflection(shelf: Shelf) -> None:
    """In how many passages each content word stands, title or text; a word that none has counts 0."""
    counted = await shelf.index.frequencies("What do the PUMPS and the unheard-of do?")
    assert counted.passages == 4
    assert counted.of["pumps"] == 2
    assert counted.of["unheard"] == 0
    assert "the" not in counted.of


@pytest.mark.parametrize("text", ["", "?!", "\U0001f600\U0001f600"])
async def test_a_text_without_words_counts_none(shelf: Shelf, text: str) -> None:
    """And is no error."""
    assert (await shelf.index.frequencies(text)).of == {}


async def test_counting_is_bounded(shelf: Shelf) -> None:
    """The first words of a book pasted as a question."""
    counted = await shelf.index.frequencies(" ".join(f"word{i}" for i in range(12_000)))
    assert len(counted.of) == MAX_WORDS


async def test_another_namespace_has_its_own_number_of_passages(shelf: Shelf) -> None:
    """None, when it is unknown."""
    assert (await shelf.index.frequencies("pump", namespace="unknown")).passages == 0


async def test_dutch_compounds_are_found_by_their_parts(shelf: Shelf) -> None:
    """A part finds the compound and the compound its part, also with a filter and in a namespace, until it goes."""
    await shelf.put("bassin", "Het bassin", "Het bassinwater wordt elke week door de monteur ververst.", unit=7)
    await shelf.put("elders", "Elders", "Het koelwater wordt hier niet door de monteur ververst.", "other")
    assert (await shelf.find("Hoe vaak moet het waterbassin gespoeld worden?"))[0] == "bassin"
    assert await shelf.find("Waar is de koelwaterleiding?", namespace="other") == ["elders"]
    hits = await shelf.index.search("Wat doet een waterbassin?", top_k=5, filter={"unit": 7})
    assert [hit.passage for hit in hits] == ["bassin"]
    await shelf.documents.delete("bassin")
    assert "bassin" not in await shelf.find("Hoe vaak moet het waterbassin gespoeld worden?")


async def test_english_questions_are_not_taken_apart(shelf: Shelf) -> None:
    """Runs of letters are for Dutch: in English they would find chance."""
    await shelf.put("klep", "Klep", "De afsluitklep van de circulatieleiding is dicht.")
    assert "klep" not in await shelf.find("Which pump circulates what is in the circulator?")
