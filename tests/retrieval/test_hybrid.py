import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from retrieval.chunking import chunk
from retrieval.embedded.database import Database
from retrieval.embedded.documents import SqliteDocumentStore
from retrieval.embedded.keywords import SqliteKeywordIndex
from retrieval.embedded.vectors import SqliteVectorStore
from retrieval.embedders.wordllama import WordLlamaEmbedder
from retrieval.errors import InvalidFilter, InvalidText, NoLegAnswered, Temporary
from retrieval.hybrid import Hybrid
from retrieval.legs import keyword_leg, vector_leg
from retrieval.ports import Leg, Links
from retrieval.ranker import trained
from retrieval.types import Document, Found, Frequencies, Hit, LegState, Link, Query

TEXTS = {
    "pump": "The pump P-101 circulates the coolant. It is driven by motor M-5.",
    "motor": "A three-phase machine of 5 kW, made in Delft.",
    "fan": "The fan blows air through the condenser.",
    "valve": "The valve regulates the flow of the refrigerant.",
}


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[tuple[SqliteDocumentStore, dict[str, Leg]]]:
    """Four documents in real stores, and the two legs over them."""
    db, embedder = await Database.open(tmp_path / "store.db"), WordLlamaEmbedder()
    documents, vectors = await SqliteDocumentStore.open(db), await SqliteVectorStore.open(db)
    for id, text in TEXTS.items():
        document = Document(id, id.title(), text, {"kind": id})
        await documents.put(document, chunk(document), "hash")
        await vectors.upsert([(id, (await embedder.embed([text]))[0], document.metadata)])
    legs = {"vector": vector_leg(embedder, vectors), "keyword": keyword_leg(await SqliteKeywordIndex.open(db))}
    yield documents, legs
    await embedder.aclose()
    await db.aclose()


Shelf = tuple[SqliteDocumentStore, dict[str, Leg]]


async def never(query: Query) -> Sequence[Hit]:
    await asyncio.Event().wait()
    return []


async def broken(query: Query) -> Sequence[Hit]:
    raise Temporary("secret detail of the upstream")


async def buggy(query: Query) -> Sequence[Hit]:
    raise ZeroDivisionError


async def empty(query: Query) -> Sequence[Hit]:
    return []


async def to_motor(query: Query, passages: Sequence[str]) -> Sequence[Link]:
    return [Link("pump", "motor", "title", 1.0, "Motor", 33)] if "pump" in passages else []


async def broken_links(query: Query, passages: Sequence[str]) -> Sequence[Link]:
    raise Temporary("graph is down")


async def late_links(query: Query, passages: Sequence[str]) -> Sequence[Link]:
    await asyncio.Event().wait()
    return []


async def uncounted(query: Query) -> Frequencies:
    raise Temporary("the index is down")


def ids(found: Found) -> list[str]:
    return [ranked.passage.id for ranked in found.passages]


def states(found: Found) -> dict[str, tuple[str, str]]:
    return {report.leg: (report.state.value, report.code) for report in found.legs}


async def test_legs_are_fused_and_each_says_why(shelf: Shelf) -> None:
    """The passage both legs rank first comes first, with both reasons; the reports count the hits."""
    documents, legs = shelf
    found = await Hybrid(documents, legs).search(Query("pump coolant", top_k=2))
    assert ids(found)[0] == "pump"
    assert len(found.passages) == 2
    assert found.passages[0].why == ("vector #1", "keyword #1")
    assert found.passages[0].passage.text == TEXTS["pump"]
    assert {report.leg: report.hits for report in found.legs} == {"vector": 4, "keyword": 1}
    assert all(report.ms >= 0 for report in found.legs)


async def test_a_linked_passage_is_brought_by_expansion(shelf: Shelf) -> None:
    """What the best passage names comes right after it, and tells which link brought it."""
    documents, legs = shelf
    query = Query("Which pump circulates the coolant?", top_k=2)
    found = await Hybrid(documents, legs, links=to_motor).search(query)
    assert ids(found) == ["pump", "motor"]
    assert found.passages[1].why[-1] == "expansion: «Motor», named in «Pump»"
    assert states(found)["expansion"] == ("ok", "")


@pytest.mark.parametrize(
    ("leg", "ended"),
    [
        (never, ("late", "deadline_exceeded")),
        (broken, ("failed", "upstream_unavailable")),
        (buggy, ("failed", "internal")),
        (empty, ("ok", "")),
    ],
)
async def test_a_leg_that_fails_costs_its_hits_only(shelf: Shelf, leg: Leg, ended: tuple[str, str]) -> None:
    """Late, failed or empty: it is named with a code, and the others' passages come."""
    documents, legs = shelf
    found = await Hybrid(documents, legs | {"graph": leg}, deadline_s=1.0).search(Query("pump"))
    assert ids(found)[0] == "pump"
    assert states(found) == {"vector": ("ok", ""), "keyword": ("ok", ""), "graph": ended}


@pytest.mark.parametrize(
    ("links", "ended"),
    [(broken_links, ("failed", "upstream_unavailable")), (late_links, ("late", "deadline_exceeded"))],
)
async def test_an_expansion_that_fails_costs_its_links_only(shelf: Shelf, links: Links, ended: tuple[str, str]) -> None:
    """The passages of the legs come as if there were no graph."""
    documents, legs = shelf
    found = await Hybrid(documents, legs, links=links, deadline_s=1.0).search(Query("pump", top_k=1))
    assert ids(found) == ["pump"]
    assert states(found)["expansion"] == ended


async def test_a_late_leg_leaves_time_for_the_expansion(shelf: Shelf) -> None:
    """The deadline is shared: legs end before it, so that the links of what came in time are followed."""
    documents, legs = shelf
    hybrid = Hybrid(documents, legs | {"graph": never}, links=to_motor, deadline_s=1.0)
    found = await hybrid.search(Query("Which pump circulates the coolant?", top_k=2))
    assert ids(found) == ["pump", "motor"]
    assert [report.state for report in found.legs].count(LegState.LATE) == 1


async def test_when_no_leg_answers_the_error_says_how_each_ended(shelf: Shelf) -> None:
    """A temporary error with a code, and nothing of the upstream's words in the reports."""
    documents, _ = shelf
    hybrid = Hybrid(documents, {"vector": broken, "keyword": never}, deadline_s=0.5)
    with pytest.raises(NoLegAnswered) as caught:
        await hybrid.search(Query("pump"))
    assert caught.value.code == "retrieval_unavailable"
    assert [report.state for report in caught.value.legs] == [LegState.FAILED, LegState.LATE]
    assert "secret" not in str(caught.value)


async def test_nothing_found_is_no_error(shelf: Shelf) -> None:
    """Legs that answer with nothing give an empty result."""
    documents, _ = shelf
    found = await Hybrid(documents, {"vector": empty}, links=to_motor).search(Query("pump"))
    assert found.passages == ()


async def test_the_filter_holds_for_expanded_passages_too(shelf: Shelf) -> None:
    """A link does not lead around the filter."""
    documents, legs = shelf
    hybrid = Hybrid(documents, legs, links=to_motor)
    query = Query("Which pump circulates the coolant?", filter={"kind": {"$in": ["pump", "fan"]}})
    assert set(ids(await hybrid.search(query))) == {"pump", "fan"}


async def test_hits_whose_document_is_gone_are_passed_over(shelf: Shelf) -> None:
    """A vector that outlives its document for a moment takes no place among the passages."""
    documents, legs = shelf
    await documents.delete("pump")
    found = await Hybrid(documents, legs).search(Query("pump", top_k=3))
    assert len(found.passages) == 3
    assert "pump" not in ids(found)


async def test_bad_questions_are_refused_before_anything_runs(shelf: Shelf) -> None:
    """A blank text and a malformed filter are the asker's errors, not failures of legs."""
    documents, legs = shelf
    with pytest.raises(InvalidText):
        await Hybrid(documents, legs).search(Query(" "))
    with pytest.raises(InvalidFilter):
        await Hybrid(documents, legs).search(Query("pump", filter={"kind": {"$like": "p"}}))


async def test_cancelling_the_search_cancels_its_legs(shelf: Shelf) -> None:
    """Nothing goes on behind a search that nobody awaits."""
    cancelled = asyncio.Event()
    started = asyncio.Event()

    async def leg(query: Query) -> Sequence[Hit]:
        started.set()
        try:
            return await never(query)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    search = asyncio.create_task(Hybrid(shelf[0], {"vector": leg}).search(Query("pump")))
    await started.wait()
    search.cancel()
    with pytest.raises(asyncio.CancelledError):
        await search
    assert cancelled.is_set()


async def test_an_unknown_leg_is_refused_at_once(shelf: Shelf) -> None:
    """A leg that the fusion cannot weigh is an error of the wiring, not of the first question."""
    with pytest.raises(ValueError, match="rumour"):
        Hybrid(shelf[0], {"rumour": empty})


async def test_the_ranker_orders_what_the_legs_and_links_found(shelf: Shelf) -> None:
    """Its scores are shares of one, best first, and each passage keeps its reasons."""
    documents, legs = shelf
    hybrid = Hybrid(documents, legs, links=to_motor, ranker=trained())
    found = await hybrid.search(Query("What made the machine that drives the pump?", top_k=9))
    scores = [ranked.score for ranked in found.passages]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) == pytest.approx(1.0)
    assert set(ids(found)) == set(TEXTS)
    assert "expansion: «Motor», named in «Pump»" in found.passages[ids(found).index("motor")].why


async def test_a_ranking_needs_neither_links_nor_counts(shelf: Shelf) -> None:
    """When the graph and the index of words are down, what the legs found is ranked all the same."""
    documents, legs = shelf
    hybrid = Hybrid(documents, legs, links=broken_links, ranker=trained(), count_words=uncounted)
    found = await hybrid.search(Query("Which pump circulates the coolant?"))
    assert ids(found)[0] == "pump"
    assert states(found)["expansion"] == ("failed", "upstream_unavailable")
    assert "words" not in states(found)


async def test_more_than_a_pool_may_be_wanted(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies beyond the pool follows it, unjudged."""
    documents, legs = shelf
    monkeypatch.setattr("retrieval.pool.SIZE", 2)
    found = await Hybrid(documents, legs, ranker=trained()).search(Query("pump coolant", top_k=4))
    assert ids(found)[0] == "pump"
    assert len(found.passages) == len(TEXTS)
    assert [ranked.score for ranked in found.passages[2:]] == [0.0, 0.0]
