"""Connections to a real server, and what comes of one that is none."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from graph.linking import document_links
from graph.mentions import NameTrie
from graph.names import title_names
from graph.neo4j.blocking import BlockingGraph
from graph.neo4j.database import Neo4jDatabase
from graph.neo4j.store import Neo4jGraphStore
from graph.types import DocumentLinks, Record, RecordQuery
from retrieval.background import BackgroundLoop
from retrieval.errors import DatabaseMissing, InvalidText, KeyRejected, Permanent, RetrievalError, Temporary
from retrieval.types import Passage
from tests.contracts.graph_stores import neo4j
from tests.contracts.neo4j_server import PASSWORD, Neo4jServer, require_neo4j, standalone_neo4j
from tests.eventually import eventually

SOON_S = 15.0
"""Half of what the driver would try for by itself, and more than a busy machine needs."""


def links(id: str, title: str, text: str) -> DocumentLinks:
    names = NameTrie(entity.id for entity in title_names(title))
    return document_links(id, title, [Passage(id, id, title, text)], names)


def connections(server: Neo4jServer) -> int:
    """Ours, as the server counts them."""
    statement = "CALL dbms.listConnections() YIELD userAgent WHERE userAgent = 'chatserver' RETURN count(*) AS open"
    with server.driver() as driver:
        return int(driver.execute_query(statement).records[0]["open"])


@pytest.fixture
def refusing() -> str:
    """An address where nobody listens."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return f"bolt://127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture
def silent() -> Iterator[str]:
    """A peer that accepts and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield f"bolt://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("peer", ["refusing", "silent"])
async def test_a_dead_server_is_told_soon(peer: str, request: pytest.FixtureRequest) -> None:
    """`Temporary`, for reads and for writes, long before the driver's own half minute is over."""
    db = Neo4jDatabase(request.getfixturevalue(peer), password=PASSWORD)
    try:
        for work in (db.read("RETURN 1", {}), Neo4jGraphStore(db).unlink("a")):
            began = time.monotonic()
            with pytest.raises(Temporary):
                await work
            assert time.monotonic() - began < SOON_S
    finally:
        await db.aclose()


async def test_what_the_server_refuses_is_permanent() -> None:
    """A password, a database, a statement and a text, each with its code."""
    server = standalone_neo4j()
    cases: list[tuple[Neo4jDatabase, str, dict[str, object], type[RetrievalError]]] = [
        (Neo4jDatabase(server.uri, password="wrong"), "RETURN 1", {}, KeyRejected),
        (Neo4jDatabase(server.uri), "RETURN 1", {}, KeyRejected),
        (Neo4jDatabase(server.uri, password=PASSWORD, database="attic"), "RETURN 1", {}, DatabaseMissing),
        (Neo4jDatabase(server.uri, password=PASSWORD), "RETURN", {}, Permanent),
        (Neo4jDatabase(server.uri, password=PASSWORD), "RETURN $text", {"text": "\ud800"}, InvalidText),
    ]
    for db, statement, parameters, expected in cases:
        with pytest.raises(expected) as raised:
            await db.read(statement, parameters)
        assert PASSWORD not in str(raised.value)
        await db.aclose()


async def test_each_loop_has_connections_of_its_own() -> None:
    """Two loops use one database at once; closing closes those of both, each on its own; a later use opens anew."""
    server = standalone_neo4j()
    db = Neo4jDatabase(server.uri, password=PASSWORD)
    background = BackgroundLoop()
    assert await asyncio.to_thread(connections, server) == 0
    try:
        for _ in range(2):
            here = db.read("RETURN 1", {})
            there = asyncio.to_thread(background.run, db.read("RETURN 2", {}))
            assert list(await asyncio.gather(here, there)) == [[[1]], [[2]]]
            assert await asyncio.to_thread(connections, server) == 2
            await db.aclose()
            await db.aclose()
            await eventually(lambda: connections(server) == 0)
    finally:
        await db.aclose()
        background.close()


async def test_nothing_is_reached_before_it_is_needed() -> None:
    """To make one and to close it opens no connection."""
    server = standalone_neo4j()
    db = Neo4jDatabase(server.uri, password=PASSWORD)
    assert await asyncio.to_thread(connections, server) == 0
    await db.aclose()


async def test_a_cancelled_read_leaves_the_next_one_alone() -> None:
    """Cancellation comes through at once, and the database is as usable as before."""
    async with neo4j() as db:
        slow = asyncio.create_task(db.read("UNWIND range(1, 10000000000) AS n RETURN max(n)", {}))
        await asyncio.sleep(0.1)
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        assert await db.read("RETURN 1", {}) == [[1]]


@pytest.mark.slow
async def test_a_killed_server_that_is_back_is_used_again(tmp_path: Path) -> None:
    """While it is away reads are `Temporary`; once it is back the same database reads what was written before."""
    require_neo4j()
    server = Neo4jServer(tmp_path).start()
    db = Neo4jDatabase(server.uri, password=PASSWORD)
    try:
        store = Neo4jGraphStore(db)
        await store.link([links("pump", "P-101", "It pumps.")])
        server.kill()
        with pytest.raises(Temporary):
            await store.names()
        await asyncio.to_thread(server.start)
        assert await _when_back(store.names) == ["p 101"]
    finally:
        server.kill()
        await db.aclose()


async def _when_back(read: Callable[[], object]) -> object:
    """Connections that died with the server may each fail once."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await read()  # type: ignore[misc]
            except Temporary:
                await asyncio.sleep(0.05)


async def test_writers_at_once_leave_a_whole_graph() -> None:
    """Documents that share names, linked, linked again and unlinked side by side: as if one after the other."""
    async with neo4j() as db:
        store = Neo4jGraphStore(db)
        documents = [links(f"d{n}", f"Pump P-{n}", "P-1, P-2 and Great Northern Pump failed.") for n in range(12)]
        async with asyncio.TaskGroup() as tasks:
            for document in [*documents, *documents[:4]]:
                tasks.create_task(store.link([document]))
            tasks.create_task(store.link_records([Record("Event", "E-1", {"component": "P-1"})]))
        async with asyncio.TaskGroup() as tasks:
            for document in documents[8:]:
                tasks.create_task(store.unlink(document.document))
        ((counted, there),) = await db.read(
            "MATCH (space:Namespace) RETURN space.passages, COUNT { MATCH (:Passage) }", {}
        )
        assert counted == there == 8
        assert len(await store.names()) == 10  # eight titles, the record and its component


async def test_the_constraints_are_there() -> None:
    """What is made at the start: the keys are unique, the words of passages are indexed."""
    async with neo4j() as db:
        constraints = await db.read("SHOW CONSTRAINTS YIELD name, type WHERE type = 'UNIQUENESS' RETURN name", {})
        assert {name for (name,) in constraints} == {
            "namespace_name",
            "document_key",
            "passage_key",
            "entity_key",
            "record_key",
        }
        indexes = await db.read("SHOW INDEXES YIELD name, type, state WHERE type = 'FULLTEXT' RETURN name, state", {})
        assert indexes == [["passage_words", "ONLINE"]]
        with pytest.raises(Permanent):  # a passage of another document
            await Neo4jGraphStore(db).link([links("a", "A", "One."), _stolen()])


def _stolen() -> DocumentLinks:
    return document_links("b", "B", [Passage("a", "b", "B", "Two.")], NameTrie())


def test_a_script_needs_no_loop() -> None:
    """Graph and records by plain calls, from several threads too; closed, nothing of it is left."""
    server = standalone_neo4j()
    server.clear()
    threads = threading.active_count()
    with BlockingGraph(server.uri, password=PASSWORD) as neo4j:
        neo4j.run(neo4j.graph.link([links("pump", "P-101", "It pumps.")]))
        neo4j.run(neo4j.records.put([Record("Event", "E-1", {"value": 1})]))
        workers = [threading.Thread(target=lambda: neo4j.run(neo4j.graph.names())) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert neo4j.run(neo4j.graph.names()) == ["p 101"]
        assert neo4j.run(neo4j.records.query(RecordQuery("Event"))) == [Record("Event", "E-1", {"value": 1})]
    assert threading.active_count() == threads
    deadline = time.monotonic() + 30
    while connections(server):
        assert time.monotonic() < deadline


async def test_a_notebook_that_has_a_loop(tmp_path: Path) -> None:
    """In a running loop the same calls work: they block it, as every plain call does."""
    server = standalone_neo4j()
    neo4j = BlockingGraph(server.uri, password=PASSWORD)
    assert neo4j.run(neo4j.graph.entities(["nobody"])) == []
    neo4j.close()
    neo4j.close()
