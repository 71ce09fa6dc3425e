"""The embedded graph's subgraphs."""

from pathlib import Path

from graph.embedded.store import SqliteGraphStore
from graph.types import DocumentLinks, Entity, Mention, PassageLinks, Record
from retrieval.embedded.database import Database

PUMP = Entity("p 101", "P-101", "title")


async def test_many_mentions_leave_room_for_other_edges(tmp_path: Path) -> None:
    """Around a name in many passages stand the document called so and the records about it, too."""
    logs = [
        DocumentLinks(log, log, (), (PassageLinks(log, "P-101 ran.", (PUMP,), (Mention(log, PUMP.id, 0, 5),)),))
        for log in (f"log {n}" for n in range(30))
    ]
    db = await Database.open(tmp_path / "store.db")
    try:
        store = await SqliteGraphStore.open(db)
        await store.link([DocumentLinks("pump", "P-101", (PUMP,), (PassageLinks("pump", "It pumps."),)), *logs])
        await store.link_records([Record("Event", f"E-{n}", {"component": "P-101"}) for n in range(30)])
        around = await store.subgraph("P-101", limit=12)
    finally:
        await db.aclose()
    assert len(around.nodes) == 12
    kinds = [node.kind for node in around.nodes]
    assert (kinds[0], kinds.count("document")) == ("entity", 1)
    assert kinds.count("passage") == kinds.count("record") == 5
