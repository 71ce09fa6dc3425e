"""What every `GraphStore` must do."""

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from graph.linking import passage_links
from graph.mentions import NameTrie
from graph.names import fold_name, title_names
from graph.ports import GraphStore
from graph.types import DocumentLinks, Edge, Entity, Fact, Mention, PassageLinks, Record, RecordKey
from tests.contracts.graph_stores import STORES, stores
from tests.contracts.linked_films import CORPUS, DIRECTOR, FILM, OTHER, fill, links, reached


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[GraphStore]:
    async with stores(request.param, tmp_path) as (graph, _):
        yield graph


async def test_an_empty_store_knows_nothing(store: GraphStore) -> None:
    """Every question has an empty answer, none is an error."""
    assert await store.expand(["film"], ["eason"], limit=5) == []
    assert await store.links(["film"]) == []
    assert await store.links([]) == []
    assert await store.entities(["eason"]) == []
    assert await store.facts(["film"], limit=5) == []
    assert (await store.subgraph("film")).nodes == ()
    assert await store.names() == []
    assert await store.size() == 0
    assert await store.unread(limit=5) == ([], [])
    await store.unlink("film")


async def test_linking_again_replaces(store: GraphStore) -> None:
    """A changed document keeps nothing of its old names, passages and mentions; the same one changes nothing."""
    await fill(store, *CORPUS)
    before = await store.subgraph("director", hops=3)
    await fill(store, *CORPUS)
    after = await store.subgraph("director", hops=3)
    assert set(after.nodes) == set(before.nodes)
    assert set(after.edges) == set(before.edges)
    await store.link([links(("film", "Another King", "It is set in Ohio."), *CORPUS)])
    assert await reached(store, "director") == {}
    await settle(store, NameTrie())
    assert await store.entities(["the prairie king", "another king"]) == [
        Entity("another king", "Another King", "title")
    ]


async def test_the_size_counts_passages(store: GraphStore) -> None:
    """Of one namespace, those that are linked now."""
    await fill(store, *CORPUS)
    await fill(store, CORPUS[0], namespace="other")
    size = await store.size()
    assert size == sum(len(texts) for _, _, *texts in CORPUS)
    await store.unlink(CORPUS[0][0])
    assert await store.size() == size - len(CORPUS[0][2:])
    assert await store.size(namespace="other") == len(CORPUS[0][2:])


async def test_unlinking_leaves_nothing_behind(store: GraphStore) -> None:
    """Entities that nothing mentions any more go with the last document that did, names once they are settled."""
    await fill(store, *CORPUS)
    for document in CORPUS:
        await store.unlink(document[0])
    assert await store.names() == []
    assert await settle(store, NameTrie()) == []
    assert await store.entities(["universal pictures", "massachusetts", "b reeves eason"]) == []
    assert await store.unread(limit=5) == ([], [])


async def settle(store: GraphStore, names: NameTrie) -> list[str]:
    read: list[str] = []
    while True:
        settled, passages = await store.unread(limit=2)
        if not settled:
            return sorted(set(read))
        read += [passage.passage for passage in passages]
        await store.relink([passage_links(p.passage, p.title, p.text, names) for p in passages], settled)


async def test_a_name_that_comes_late_finds_earlier_passages(store: GraphStore) -> None:
    """Only the passages that contain it are read again, and then they are linked; it is done once."""
    old = ("old", "Old", "The so-called great northern pump failed.")
    await fill(store, old, OTHER)
    await settle(store, NameTrie())
    assert await reached(store, "old") == {}
    new = ("new", "The so-called great northern pump", "It was repaired.")
    await fill(store, new)
    assert await settle(store, NameTrie([fold_name(new[1])])) == ["old"]
    assert "new" in await reached(store, "old")
    assert await settle(store, NameTrie()) == []


async def test_a_name_that_goes_gives_its_place_back(store: GraphStore) -> None:
    """The longest name wins: when its document goes, passages that mention it are read again, and have the name inside
    it; nothing is left of the one that went. The other way round when it comes."""
    text = ("text", "Text", "They meet at the Slow River Inn at night.")
    river, inn = ("river", "Slow River", "It is slow."), ("inn", "Slow River Inn", "It is old.")
    known = {document: {name.id for name in title_names(document[1])} for document in (text, river, inn)}
    await fill(store, text, river)
    await settle(store, NameTrie(known[text] | known[river]))
    assert set(await reached(store, "text")) == {"river"}
    await store.link([links(inn)])
    assert await settle(store, NameTrie(set().union(*known.values()))) == ["text"]
    assert set(await reached(store, "text")) == {"inn"}
    await store.unlink("inn")
    assert await settle(store, NameTrie(known[text] | known[river])) == ["text"]
    assert set(await reached(store, "text")) == {"river"}
    assert await settle(store, NameTrie()) == []


async def test_a_name_that_a_linker_did_not_know_is_unread_again(store: GraphStore) -> None:
    """Its passages are read again, once; a name that nobody knows is left out."""
    name = "The so-called great northern pump"
    await fill(store, ("new", name, "It was repaired."))
    await settle(store, NameTrie())
    await store.link([links(("late", "Late", "The so-called great northern pump failed."))])
    await settle(store, NameTrie())
    assert await reached(store, "late") == {}
    await store.unsettle([fold_name(name), "nobody"])
    assert await settle(store, NameTrie([fold_name(name)])) == ["late"]
    assert "new" in await reached(store, "late")
    assert await settle(store, NameTrie()) == []


async def test_a_passage_that_is_linked_already_is_not_read_again(store: GraphStore) -> None:
    """It had the name as a phrase, before any document was called so."""
    await fill(store, FILM)
    await fill(store, DIRECTOR)
    assert await store.unread(limit=9) == (["the prairie king", "b reeves eason"], [])
    assert (await reached(store, "film"))["director"].startswith("titled")


async def test_the_order_of_documents_does_not_matter(store: GraphStore) -> None:
    """Whatever the order of arrival, the settled graph is the same."""
    names = NameTrie(name.id for document in CORPUS for name in title_names(document[1]))
    graphs = set()
    for order in itertools.permutations(CORPUS):
        for document in order:
            await store.link([links(document)])
        await settle(store, names)
        graph = await store.subgraph("film", hops=4)
        graphs.add((frozenset(graph.nodes), frozenset(graph.edges)))
        for document in CORPUS:
            await store.unlink(document[0])
    assert len(graphs) == 1


async def test_relinking_a_passage_that_is_gone_is_no_error(store: GraphStore) -> None:
    """It may have been unlinked since it was read."""
    await store.relink([passage_links("gone", "Gone", "See The Prairie King.", NameTrie())], ["gone"])
    assert await store.entities(["the prairie king", "prairie king"]) == []


async def test_entities_are_told_by_kind(store: GraphStore) -> None:
    """In the order asked for, with the document's own spelling; unknown ones are left out."""
    await fill(store, *CORPUS)
    await store.link_records([Record("TelemetryEvent", "TE-1", {"component": "P-101"})])
    found = await store.entities(["p 101", "nothing", "the prairie king", "universal pictures"])
    assert found == [
        Entity("p 101", "P-101", "record"),
        Entity("the prairie king", "The Prairie King", "title"),
        Entity("universal pictures", "Universal Pictures", "phrase"),
    ]


async def test_facts_tell_the_links_among_the_passages_first(store: GraphStore) -> None:
    """Then the links to documents outside; each once, at most as many as asked for."""
    await fill(store, *CORPUS, ("list", "List", "See Ride Alone, The Prairie King and Ride Alone."))
    inside = Fact("List", "mentions", "The Prairie King", "list")
    outside = [
        Fact("List", "mentions", "Ride Alone", "list"),
        Fact("The Prairie King", "mentions", "B. Reeves Eason", "film"),
    ]
    assert await store.facts(["list", "film"], limit=5) == [inside, *outside]
    assert await store.facts(["list", "film"], limit=1) == [inside]


async def test_records_hang_on_what_they_name(store: GraphStore) -> None:
    """A record's names are entities; the subgraph around one shows record and passages; replacing replaces."""
    await fill(store, ("pump", "P-101 (pump)", "It pumps."), ("log", "Log", "P-101 failed."))
    await store.link_records([Record("TelemetryEvent", "TE-1", {"component": "P-101"})])
    around = await store.subgraph("entity:P-101")
    assert {node.id for node in around.nodes} == {
        "entity:p 101",
        "passage:log",
        "document:pump",
        "record:TelemetryEvent/TE-1",
    }
    assert Edge("entity:p 101", "record:TelemetryEvent/TE-1", "component") in around.edges
    await store.link_records([Record("TelemetryEvent", "TE-1", {"component": "P-102"})])
    assert "record:TelemetryEvent/TE-1" not in {node.id for node in (await store.subgraph("entity:P-101")).nodes}


async def test_an_unlinked_record_names_nothing(store: GraphStore) -> None:
    """What only it was called by is to be read again, and then no name any more; an unknown one is no error."""
    await fill(store, ("log", "Log", "The P-101 failed."))
    await store.link_records([Record("Event", "TE-1", {"component": "P-101"})])
    await settle(store, NameTrie(await store.names()))
    assert "record:Event/TE-1" in {node.id for node in (await store.subgraph("entity:P-101")).nodes}
    keys = [RecordKey("Event", "TE-1"), RecordKey("Event", "none")]
    await store.unlink_records(keys, namespace="other")
    await store.unlink_records(keys)
    assert "p 101" not in await store.names()
    assert await settle(store, NameTrie(await store.names())) == ["log"]
    assert "record:Event/TE-1" not in {node.id for node in (await store.subgraph("entity:P-101")).nodes}
    assert (await store.subgraph("record:Event/TE-1")).nodes == ()


async def test_a_subgraph_is_bounded_and_closed(store: GraphStore) -> None:
    """At most `limit` nodes, edges only between nodes of it; every kind of id is a centre."""
    await fill(store, *CORPUS)
    for centre in ("film", "passage:film", "document:film", "The Prairie King"):
        for limit in (1, 2, 50):
            around = await store.subgraph(centre, hops=3, limit=limit)
            ids = [node.id for node in around.nodes]
            assert 0 < len(ids) <= limit
            assert ids[0] in {"passage:film", "document:film", "entity:the prairie king"}
            assert len(set(ids)) == len(ids)
            assert {end for edge in around.edges for end in (edge.source, edge.target)} <= set(ids)


async def test_namespaces_are_apart(store: GraphStore) -> None:
    """The same ids and names in another namespace are others."""
    await fill(store, *CORPUS, namespace="a")
    await fill(store, FILM, namespace="b")
    assert set(await reached(store, "film", namespace="a")) == {"director", "other"}
    assert await reached(store, "film", namespace="b") == {}
    await store.unlink("film", namespace="b")
    assert set(await reached(store, "director", namespace="a")) == {"film"}
    assert await store.names(namespace="b") == []
    assert await store.unread(limit=9, namespace="b") == (["the prairie king"], [])
    assert (await store.unread(limit=9, namespace="a"))[0] == ["the prairie king", "b reeves eason", "ride alone"]


async def test_names_are_data(store: GraphStore) -> None:
    """Quotes and the syntax of query languages have no meaning in any of them."""
    nasty = ("a'b\"c", "Robert'); DROP TABLE -- \" OR NEAR*", 'He said "Robert\'); DROP TABLE".')
    await fill(store, nasty, OTHER)
    names, _ = await store.unread(limit=9)
    assert fold_name(nasty[1]) in names
    assert (await store.subgraph("a'b\"c")).nodes


async def test_many_mentions_leave_room_for_other_edges(store: GraphStore) -> None:
    """Around a name in many passages stand the document called so and the records about it, too."""
    pump = Entity("p 101", "P-101", "title")
    logs = [
        DocumentLinks(log, log, (), (PassageLinks(log, "P-101 ran.", (pump,), (Mention(log, pump.id, 0, 5),)),))
        for log in (f"log {n}" for n in range(30))
    ]
    await store.link([DocumentLinks("pump", "P-101", (pump,), (PassageLinks("pump", "It pumps."),)), *logs])
    await store.link_records([Record("Event", f"E-{n}", {"component": "P-101"}) for n in range(30)])
    around = await store.subgraph("P-101", limit=12)
    assert len(around.nodes) == 12
    kinds = [node.kind for node in around.nodes]
    assert (kinds[0], kinds.count("document")) == ("entity", 1)
    assert kinds.count("passage") == kinds.count("record") == 5
