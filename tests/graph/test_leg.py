"""The graph leg over the embedded store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from graph.embedded.store import SqliteGraphStore
from graph.leg import GraphLeg, GraphLinks
from graph.linking import document_links
from graph.mentions import NameTrie
from graph.names import title_names
from retrieval.embedded.database import Database
from retrieval.types import Link, Passage, Query

CORPUS = {
    "film": ("The Prairie King", "The Prairie King is a film by B. Reeves Eason."),
    "director": ("B. Reeves Eason", "He was born in Friars Point, Mississippi."),
    "home": ("Home", "A film of 2009."),
    "date": ("A calendar", "It gives the Date of Birth of each."),
    "fan": ("Fan", "Somebody who saw Home."),
}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteGraphStore]:
    db = await Database.open(tmp_path / "store.db")
    store = await SqliteGraphStore.open(db)
    names = NameTrie(name.id for title, _ in CORPUS.values() for name in title_names(title))
    await store.link(
        [document_links(id, title, [Passage(id, id, title, text)], names) for id, (title, text) in CORPUS.items()]
    )
    yield store
    await db.aclose()


async def found(store: SqliteGraphStore, question: str) -> list[tuple[str, str]]:
    return [(hit.passage, hit.why) for hit in await GraphLeg(store)(Query(question))]


async def test_a_name_in_the_question_leads_to_its_passages(store: SqliteGraphStore) -> None:
    """The document called so first, then what mentions it; also when it is asked in lower case."""
    for question in ("When was B. Reeves Eason born?", "when was b reeves eason born"):
        assert await found(store, question) == [
            ("director", "titled «B. Reeves Eason»"),
            ("film", "mentions «B. Reeves Eason»"),
        ]


async def test_a_name_of_one_word_is_half_as_sure(store: SqliteGraphStore) -> None:
    """And needs its capital."""
    hits = await GraphLeg(store)(Query("Who made Home?"))
    assert (hits[0].passage, hits[0].score) == ("home", 0.5)
    assert await found(store, "who is at home?") == []


async def test_a_phrase_needs_its_capital(store: SqliteGraphStore) -> None:
    """`date of birth` in a question names nothing, although some text has it with capitals."""
    assert await found(store, "the date of birth of the director") == []
    assert await found(store, "What is the Date of Birth?") == [("date", "mentions «Date of Birth»")]


@pytest.mark.parametrize("question", ["", "?!", "who is it", "Who Is It", "x" * 20_000, "Is " * 5_000])
async def test_a_question_without_names_finds_nothing(store: SqliteGraphStore, question: str) -> None:
    """Whatever its length."""
    assert await found(store, question) == []


async def test_links_of_a_passage(store: SqliteGraphStore) -> None:
    """From the best passages of the other legs to what they name, and where they name it."""
    (link,) = await GraphLinks(store)(Query("Who made it?"), ["film"])
    assert link == Link("film", "director", "title", 1.0, "B. Reeves Eason", 30)
    assert CORPUS["film"][1][30:45] == "B. Reeves Eason"


async def test_a_namespace_of_its_own(store: SqliteGraphStore) -> None:
    """Leg and links look into the query's namespace only."""
    query = Query("When was B. Reeves Eason born?", namespace="other")
    assert await GraphLeg(store)(query) == []
    assert await GraphLinks(store)(query, ["film"]) == []
