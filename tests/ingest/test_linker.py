"""Linking while others link too."""

from pathlib import Path

from chatserver.ingest.linker import Linker
from graph.embedded.store import SqliteGraphStore
from retrieval.embedded.database import Database
from retrieval.types import Document, Passage


def pair(id: str, title: str, text: str) -> tuple[Document, list[Passage]]:
    return Document(id, title, text), [Passage(id, id, title, text)]


async def test_two_ingests_at_once_lose_none_of_each_others_links(tmp_path: Path) -> None:
    """Whoever reads a passage again knows the names of both."""
    db = await Database.open(tmp_path / "store.db")
    graph = await SqliteGraphStore.open(db)
    one, other = Linker(graph, ""), Linker(graph, "")
    await one.open()
    await other.open()
    await one.link([pair("text", "Text", "They cross the low bridge over the slow river at night.")])
    await other.link([pair("bridge", "The low bridge over", "It is low.")])
    await other.settle(lambda done, total: None)
    await one.link([pair("river", "The slow river at", "It is slow.")])
    await one.settle(lambda done, total: None)
    hits = await graph.expand(["text"], [], limit=9)
    assert {hit.passage for hit in hits} == {"bridge", "river"}
    await db.aclose()


async def test_a_passage_stored_after_another_has_settled_a_name_is_linked_with_it(tmp_path: Path) -> None:
    """The one that links it began before the name was there, and the other has nothing left to settle."""
    db = await Database.open(tmp_path / "store.db")
    graph = await SqliteGraphStore.open(db)
    one, other = Linker(graph, ""), Linker(graph, "")
    await one.link([pair("quay", "Slow River", "It is slow.")])
    await one.open()
    await other.open()
    await other.link([pair("river", "The slow river at", "It is slow."), pair("inn", "Slow River Inn", "It is old.")])
    await other.settle(lambda done, total: None)
    await one.link([pair("text", "Text", "They meet by the slow river at night, in the Slow River Inn.")])
    await one.settle(lambda done, total: None)
    assert {hit.passage for hit in await graph.expand(["text"], [], limit=9)} == {"river", "inn"}
    assert await graph.unread(limit=9) == ([], [])
    await db.aclose()


async def test_a_passage_stored_after_another_has_settled_that_a_name_went_is_linked_without_it(tmp_path: Path) -> None:
    """It has the name inside that one."""
    db = await Database.open(tmp_path / "store.db")
    graph = await SqliteGraphStore.open(db)
    one, other = Linker(graph, ""), Linker(graph, "")
    await one.link([pair("river", "Slow River", "It is slow."), pair("inn", "Slow River Inn", "It is old.")])
    await one.open()
    await graph.unlink("inn")
    await other.settle(lambda done, total: None)
    await one.link([pair("text", "Text", "They meet at the Slow River Inn at night.")])
    await one.settle(lambda done, total: None)
    assert {hit.passage for hit in await graph.expand(["text"], [], limit=9)} == {"river"}
    await db.aclose()
