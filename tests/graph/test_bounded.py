"""What a question reads of the graph depends on its passages, not on how many others there are."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

from graph.embedded.expansion import expand
from graph.embedded.links import links
from graph.embedded.store import SqliteGraphStore
from graph.embedded.telling import entities
from graph.linking import document_links
from graph.mentions import NameTrie
from graph.names import title_names
from retrieval.embedded.database import Database
from retrieval.types import Passage

READS: dict[str, Callable[[sqlite3.Connection], object]] = {
    "links": lambda connection: links(connection, "", [f"Pump{n}" for n in range(10)]),
    "expand": lambda connection: expand(connection, "", ["Pump3"], ["pump p 5"], limit=50, hops=1),
    "entities": lambda connection: entities(connection, "", ["pump p 3", "which pump", "the pump"]),
}


async def add(graph: SqliteGraphStore, kind: str, count: int) -> None:
    """Each names the next three, all name what they are made by."""
    titles = [f"{kind} {kind[0]}-{n}" for n in range(count + 3)]
    names = NameTrie(name.id for title in titles for name in title_names(title))
    documents = [
        Passage(f"{kind}{n}", f"{kind}{n}", titles[n], f"It feeds {', '.join(titles[n + 1 : n + 4])} of {kind} Works.")
        for n in range(count)
    ]
    await graph.link([document_links(one.document, one.title, [one], names) for one in documents])


def steps(read: Callable[[sqlite3.Connection], object]) -> Callable[[sqlite3.Connection], int]:
    """How many hundred instructions SQLite's machine takes for it: the same on any computer."""

    def counted(connection: sqlite3.Connection) -> int:
        taken = 0

        def tick() -> int:
            nonlocal taken
            taken += 1
            return 0

        connection.set_progress_handler(tick, 100)
        read(connection)
        connection.set_progress_handler(None, 0)
        return taken

    return counted


async def test_a_larger_graph_costs_a_question_no_more(tmp_path: Path) -> None:
    """With ten times the documents, reading links, expansions and names takes as many steps as before."""
    database = await Database.open(tmp_path / "store.db")
    graph = await SqliteGraphStore.open(database)
    await add(graph, "Pump", 200)
    before = {name: await database.read(steps(read)) for name, read in READS.items()}
    await add(graph, "Valve", 2_000)
    after = {name: await database.read(steps(read)) for name, read in READS.items()}
    await database.aclose()
    assert before["links"] > 20
    for name, taken in after.items():
        assert taken <= 1.2 * before[name] + 2, name
