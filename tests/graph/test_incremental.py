"""What the graph holds after any changes is what a fresh build of the same documents holds."""

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chatserver.ingest.linker import Linker
from graph.embedded.store import SqliteGraphStore
from graph.linking import passage_links
from graph.mentions import NameTrie
from graph.names import title_names
from graph.ports import GraphStore
from retrieval.embedded.database import Database
from retrieval.types import Document, Passage

TITLES = ["River", "The Slow River", "Slow River (film)", "Bridge of Sighs, Delft", "the old low bridge", "Delft", ""]
SENTENCES = [
    "They cross the old low bridge at night.",
    "The Slow River flows under the Bridge of Sighs.",
    "A river is slow.",
    "River and Delft meet in the Slow River, a film.",
    "Nothing is named here.",
]
IDS = st.sampled_from(["a", "b", "c", "d"])
TEXTS = st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=2)
STEPS = st.lists(st.tuples(IDS, st.none() | st.tuples(st.sampled_from(TITLES), TEXTS)), min_size=1, max_size=8)
"""A document comes or changes, or with None goes."""

Come = tuple[str, list[str]]
Step = tuple[str, Come | None]


def pair(id: str, title: str, texts: list[str]) -> tuple[Document, list[Passage]]:
    passages = [Passage(f"{id}#{at}", id, title, text) for at, text in enumerate(texts)]
    return Document(id, title, "\n\n".join(texts)), passages


async def take(graph: GraphStore, namespace: str, step: Step) -> None:
    id, come = step
    linker = Linker(graph, namespace)
    await linker.open()
    if come is None:
        await graph.unlink(id, namespace=namespace)
    else:
        await linker.link([pair(id, *come)])
    await linker.settle(lambda done, total: None)


async def told(graph: GraphStore, namespace: str, passages: list[str]) -> dict[str, Any]:
    """Names, links with their weights (which are made of frequencies), and what each name leads to."""
    names = sorted(await graph.names(namespace=namespace))
    links = await graph.links(passages, namespace=namespace)
    hits = {name: await graph.expand([], [name], limit=50, namespace=namespace) for name in names}
    return {
        "names": names,
        "links": sorted((*link[:3], round(link.weight, 9), *link[4:]) for link in links),
        "reached": {name: [(hit.passage, round(hit.score, 9)) for hit in found] for name, found in hits.items()},
    }


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def graph(runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GraphStore]:
    """One for all examples, each in namespaces of its own."""
    database = runner.run(Database.open(tmp_path_factory.mktemp("graph") / "store.db"))
    yield runner.run(SqliteGraphStore.open(database))
    runner.run(database.aclose())


async def changed_and_fresh(graph: GraphStore, steps: list[Step]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is told after these steps, and by a fresh build of what they left."""
    changed, fresh = uuid4().hex, uuid4().hex
    left: dict[str, Come] = {}
    for id, come in steps:
        await take(graph, changed, (id, come))
        left.pop(id, None)
        left |= {} if come is None else {id: come}
    for id, come in left.items():
        await take(graph, fresh, (id, come))
    passages = [f"{id}#{at}" for id, (_, texts) in left.items() for at in range(len(texts))]
    return await told(graph, changed, passages), await told(graph, fresh, passages)


LOST: list[Step] = [
    ("a", ("The Slow River", ["Nothing is named here."])),
    ("b", ("River", ["Nothing is named here."])),
    ("c", ("Delft", ["Above it runs The Slow River."])),
    ("a", ("Bridge of Sighs, Delft", ["Nothing is named here."])),
]
GONE: list[Step] = [
    ("a", ("the old low bridge", ["Nothing is named here."])),
    ("b", ("River", ["They cross the old low bridge at night."])),
    ("c", ("Delft", ["They cross the old low bridge at night."])),
    ("a", None),
]


@settings(max_examples=60)
@given(STEPS)
@example(LOST)
@example(GONE)
def test_any_changes_leave_what_a_fresh_build_has(runner: asyncio.Runner, graph: GraphStore, steps: list[Step]) -> None:
    """Names, frequencies and links, whatever came, changed and went before."""
    changed, fresh = runner.run(changed_and_fresh(graph, steps))
    assert changed == fresh


MINE = st.tuples(IDS, st.tuples(st.sampled_from(TITLES), TEXTS))
OTHERS = st.tuples(st.sampled_from(["e", "f"]), st.tuples(st.just(""), TEXTS))
BESIDE = st.lists(MINE | OTHERS | st.none(), min_size=1, max_size=8)
"""A document comes from the ingest that announced its names, or from another one; with None somebody settles."""
OPEN = ("e", ("", ["Above it runs The Slow River."]))
AGAIN: list[tuple[str, Come] | None] = [
    ("a", ("Delft", ["The Slow River flows under the Bridge of Sighs."])),
    None,  # forgets what has not come yet
    ("b", ("The Slow River", ["Nothing is named here."])),
]

FORGOTTEN: list[tuple[str, Come] | None] = [
    None,
    ("a", ("River", ["They cross the old low bridge at night.", "They cross the old low bridge at night."])),
]


async def announced_and_fresh(
    graph: GraphStore, before: list[tuple[str, Come]], titles: list[str], steps: list[tuple[str, Come] | None]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is told after an ingest that announces these titles, among others' documents and settling, and by a fresh
    build of what they left."""
    announced, fresh = uuid4().hex, uuid4().hex
    other, mine = Linker(graph, announced), Linker(graph, announced)
    await other.open()
    await other.link([pair(id, *come) for id, come in before])
    await mine.open()
    await mine.announce([name for title in titles for name in title_names(title)])
    for step in steps:
        if step is None:
            await Linker(graph, announced).settle(lambda done, total: None)
            await other.open()  # a name that was settled is read again for nobody who does not know it
        else:
            await (other if step[0] in "ef" else mine).link([pair(step[0], *step[1])])
    await mine.settle(lambda done, total: None)
    left = dict([*before, *(step for step in steps if step is not None)])
    for id, come in left.items():
        await take(graph, fresh, (id, come))
    passages = [f"{id}#{at}" for id, (_, texts) in left.items() for at in range(len(texts))]
    return await told(graph, announced, passages), await told(graph, fresh, passages)


@settings(max_examples=60, deadline=None)
@given(st.lists(OTHERS, max_size=1), st.lists(st.sampled_from(TITLES), max_size=7), BESIDE)
@example([OPEN], TITLES, AGAIN)
@example([], TITLES, AGAIN)
@example([], ["the old low bridge"], FORGOTTEN)
def test_names_that_were_announced_leave_what_a_fresh_build_has(
    runner: asyncio.Runner,
    graph: GraphStore,
    before: list[tuple[str, Come]],
    titles: list[str],
    steps: list[tuple[str, Come] | None],
) -> None:
    """Also when some of them never come, and when others link and settle in between without knowing them."""
    announced, fresh = runner.run(announced_and_fresh(graph, before, titles, steps))
    assert announced == fresh


def test_passages_that_knew_a_name_are_not_read_again(runner: asyncio.Runner, graph: GraphStore) -> None:
    """A name that was announced costs no passage of the same ingest; those of others are read."""

    async def unread(titles: list[str]) -> list[str]:
        namespace = uuid4().hex
        other, mine = Linker(graph, namespace), Linker(graph, namespace)
        await other.open()
        await other.link([pair("e", "", ["They cross the old low bridge."])])
        await mine.open()
        await mine.announce([name for title in titles for name in title_names(title)])
        await mine.link([pair("a", "Delft", ["They cross the old low bridge at night."])])
        await mine.link([pair("b", "old low bridge", ["Nothing is named here."])])
        _, passages = await graph.unread(limit=100, namespace=namespace)
        return [unread.passage for unread in passages]

    assert runner.run(unread([])) == ["e#0", "a#0"]
    assert runner.run(unread(["Delft", "old low bridge"])) == ["e#0"]


def test_a_passage_that_was_read_again_knows_no_announced_name(runner: asyncio.Runner, graph: GraphStore) -> None:
    """Who read it again may not have known the name: it is looked at once more."""

    async def unread() -> list[str]:
        namespace, text = uuid4().hex, "They cross the old low bridge at night."
        mine = Linker(graph, namespace)
        await mine.open()
        await mine.announce(title_names("the old low bridge"))
        await mine.link([pair("a", "Delft", [text])])
        await graph.relink([passage_links("a#0", "Delft", text, NameTrie())], ["delft"], namespace=namespace)
        await mine.link([pair("b", "the old low bridge", ["Nothing is named here."])])
        _, passages = await graph.unread(limit=100, namespace=namespace)
        return [unread.passage for unread in passages]

    assert runner.run(unread()) == ["a#0"]
