"""What every `GraphStore` must do: which passages hang together, by what, and how much that is worth."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from graph.names import fold_name
from graph.ports import GraphStore
from tests.contracts.graph_stores import STORES, stores
from tests.contracts.linked_films import CORPUS, FILM, OTHER, fill, reached


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[GraphStore]:
    async with stores(request.param, tmp_path) as (graph, _):
        yield graph


async def test_links_are_followed_both_ways(store: GraphStore) -> None:
    """From a passage to the document that it mentions, from a document to what mentions it; `why` tells."""
    await fill(store, *CORPUS)
    assert (await reached(store, "film"))["director"] == "titled «B. Reeves Eason», named in «The Prairie King»"
    assert (await reached(store, "director"))["film"] == "mentions «B. Reeves Eason»"


async def test_a_shared_entity_links_less_than_a_title(store: GraphStore) -> None:
    """Best first, scores in (0, 1], and never a passage that was given."""
    await fill(store, *CORPUS)
    hits = await store.expand(["film"], [], limit=5)
    assert [hit.passage for hit in hits] == ["director", "other"]
    assert 1 >= hits[0].score > hits[1].score > 0
    assert hits[1].why == "shares «Universal Pictures» with «The Prairie King»"
    assert len(await store.expand(["film"], [], limit=1)) == 1


async def test_a_rare_entity_counts_more(store: GraphStore) -> None:
    """An entity mentioned by many passages is a weaker link."""
    common = [(f"c{i}", f"Common {i}", "It stands in Amsterdam.") for i in range(20)]
    rare = [(f"r{i}", f"Rare {i}", "It stands in Amersfoort.") for i in range(2)]
    await fill(store, ("both", "Both", "From Amsterdam to Amersfoort."), *common, *rare)
    hits = await store.expand(["both"], [], limit=50)
    assert [hit.passage for hit in hits[:2]] == ["r0", "r1"]
    assert len(hits) == 22


async def test_a_hub_links_nothing(store: GraphStore) -> None:
    """What stands in more than 30 passages (2 % of a large corpus) tells nothing."""
    await fill(store, *((f"c{i:02}", f"Thing {i}", "It stands in Amsterdam.") for i in range(31)))
    assert await store.expand(["c00"], [], limit=50) == []
    assert await store.expand([], ["amsterdam"], limit=50) == []
    await fill(store, ("city", "Stands in Amsterdam", "A phrase too common to be read again for."))
    assert (await store.unread(limit=99))[1] == []


async def links_of(store: GraphStore, *passages: str) -> dict[tuple[str, str, str], tuple[str, int]]:
    found = await store.links(passages)
    assert all(0 < link.weight <= 1 for link in found)
    return {(link.source, link.target, link.kind): (link.name, link.at) for link in found}


async def test_links_tell_kind_name_and_place(store: GraphStore) -> None:
    """From each passage asked for to what it names, what names it and what names the same, itself left out."""
    await fill(store, *CORPUS)
    titled, shared = ("B. Reeves Eason", FILM[2].index("B. Reeves")), "Universal Pictures"
    assert await links_of(store, "film") == {
        ("film", "director", "title"): titled,
        ("film", "other", "shared"): (shared, FILM[2].index(shared)),
    }
    assert await links_of(store, "director", "other", "nowhere") == {
        ("director", "film", "mentioned"): titled,
        ("other", "film", "shared"): (shared, OTHER[2].index(shared)),
    }


async def test_links_between_passages_given_are_among_them(store: GraphStore) -> None:
    """Asked together, each end tells its own link; a passage asked for twice counts once."""
    await fill(store, *CORPUS)
    found = await store.links(["film", "director", "film"])
    pairs = sorted((link.source, link.target, link.kind) for link in found)
    assert pairs == [("director", "film", "mentioned"), ("film", "director", "title"), ("film", "other", "shared")]


async def test_links_to_neighbouring_chunks(store: GraphStore) -> None:
    """The chunk after and the one before."""
    await fill(store, ("text", "Text", "One.", "Two.", "Three."))
    assert await links_of(store, "text#1") == {
        ("text#1", "text#0", "previous"): ("", -1),
        ("text#1", "text#2", "next"): ("", -1),
    }


async def test_a_name_of_several_documents_leads_to_each_a_little(store: GraphStore) -> None:
    """An ambiguous name is 0.6 / n sure of each."""
    await fill(store, ("a", "Home (film)", "One."), ("b", "Home (song)", "Two."), ("c", "It", "He left Home."))
    weights = {link.target: link.weight for link in await store.links(["c"]) if link.kind == "title"}
    assert weights == {"a": 0.3, "b": 0.3}


async def test_a_hub_has_links_to_its_own_document_only(store: GraphStore) -> None:
    """A name that many passages share leads from none of them to all the others."""
    await fill(
        store,
        ("city", "Amsterdam", "A capital."),
        *((f"c{i:02}", f"Thing {i}", "It stands in Amsterdam.") for i in range(70)),
    )
    found = await store.links([f"c{i:02}" for i in range(70)] + ["city"])
    assert {link.target for link in found} <= {"city"}


async def test_what_is_too_common_to_be_followed_is_not_shared_either(store: GraphStore) -> None:
    """A name in more than 30 passages (2 % of a large corpus): its document is told who mentions it, nobody else."""
    common = [(f"c{i:02}", f"Thing {i}", "It stands in Amsterdam.") for i in range(40)]
    await fill(store, ("city", "Amsterdam", "A capital."), *common)
    assert await store.links(["c00"]) == []
    assert len(await store.links(["city"])) == 40


async def test_from_entities(store: GraphStore) -> None:
    """A name leads to the document called so, then to the passages that mention it."""
    await fill(store, *CORPUS)
    hits = await store.expand([], [fold_name("B. Reeves Eason")], limit=5)
    assert [(hit.passage, hit.why) for hit in hits] == [
        ("director", "titled «B. Reeves Eason»"),
        ("film", "mentions «B. Reeves Eason»"),
    ]


async def test_neighbouring_chunks_are_linked(store: GraphStore) -> None:
    """NEXT, in both directions, and not beyond the document."""
    await fill(store, ("long", "Long", "one", "two", "three", "four"), OTHER)
    assert await reached(store, "long#1") == {"long#0": "previous chunk of «Long»", "long#2": "next chunk of «Long»"}


async def test_a_second_hop_goes_farther_and_counts_less(store: GraphStore) -> None:
    """With two hops the neighbours' neighbours come too, after the neighbours."""
    await fill(store, ("long", "Long", "one", "two", "three", "four"))
    assert list(await reached(store, "long#0")) == ["long#1"]
    assert list(await reached(store, "long#0", hops=2)) == ["long#1", "long#2"]


async def test_an_ambiguous_name_is_shared_out(store: GraphStore) -> None:
    """Two documents of one name get less than one would."""
    songs = [(id, f"Get Low ({id} song)", f"A song of the year {id}.") for id in ("2003", "2014")]
    await fill(store, ("text", "Text", "She sings Get Low."), *songs)
    hits = await store.expand(["text"], [], limit=5)
    assert {hit.passage: hit.score for hit in hits} == {"2003": pytest.approx(0.3), "2014": pytest.approx(0.3)}


async def test_an_ordinary_word_is_no_link(store: GraphStore) -> None:
    """A title that stands mostly without a capital leads nowhere, until it mostly stands with one."""
    plain = [(f"p{i}", f"Plain {i}", "They went home.") for i in range(3)]
    await fill(store, ("film", "Home", "A film."), ("fan", "Fan", "She saw Home twice."), *plain)
    assert await reached(store, "fan") == {}
    assert await store.expand([], ["home"], limit=50) == []
    for id, *_ in plain:
        await store.unlink(id)
    assert "film" in await reached(store, "fan")
