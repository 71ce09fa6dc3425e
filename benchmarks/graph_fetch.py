"""How long the graph takes for what a question asks of it: the links of its thirty best passages, one round trip.

    python -m benchmarks.graph_fetch [--documents N] [--json OUT] [--csv OUT] [--neo4j URI]

Three ways, on the embedded graph and on Neo4j: `sync` by plain calls over a loop in the background, as a script makes
them; `sequential` one after the other on a loop; `concurrent` at once on a loop. The corpus is made up: documents that
mention some others by their titles and share phrases, drawn with a seed. Neo4j is the one at URI (NEO4J_USERNAME and
NEO4J_PASSWORD; it is filled in a namespace of its own), or one that is started for it (`make neo4j`).
"""

import argparse
import asyncio
import csv
import json
import math
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table

from graph.embedded.store import SqliteGraphStore
from graph.linking import document_links
from graph.mentions import NameTrie
from graph.names import title_names
from graph.neo4j.database import Neo4jDatabase
from graph.neo4j.store import Neo4jGraphStore
from graph.ports import GraphStore
from graph.types import DocumentLinks
from retrieval.background import BackgroundLoop
from retrieval.embedded.database import Database
from retrieval.types import Passage
from tests.contracts.neo4j_server import PASSWORD, Neo4jServer, require_neo4j

PASSAGES = 30
NAMESPACE = "benchmark"
LARGE = ("-Xmx1g", "-XX:+UseParallelGC")
_BATCH = 200

Opened = Callable[[], AbstractAsyncContextManager[GraphStore]]


@dataclass(frozen=True, slots=True)
class Plan:
    documents: int
    fetches: int
    at_once: int
    warm_up: int


def corpus(documents: int) -> Iterator[DocumentLinks]:
    """Each document has one passage, which names four others and two phrases of some hundred."""
    draw = random.Random(7)
    titles = [f"Unit {draw.randrange(16**6):06X} of Plant {n % 97}" for n in range(documents)]
    names = NameTrie(entity.id for title in titles for entity in title_names(title))
    for n, title in enumerate(titles):
        near = [titles[(n + draw.randrange(1, 40)) % documents] for _ in range(3)]
        far = titles[draw.randrange(documents)]
        phrases = [f"Feature Number {draw.randrange(documents // 20)}" for _ in range(2)]
        text = " ".join(f"It depends on {name}, in short." for name in (*near, far, *phrases))
        yield document_links(f"d{n}", title, [Passage(f"d{n}", f"d{n}", title, text)], names)


def asked(plan: Plan) -> list[list[str]]:
    """The passages of each fetch: half of them neighbours, as the best of one question are, half of them anywhere."""
    draw = random.Random(11)

    def some() -> list[str]:
        start = draw.randrange(plan.documents)
        near = [f"d{(start + n) % plan.documents}" for n in range(PASSAGES // 2)]
        return [*near, *(f"d{draw.randrange(plan.documents)}" for _ in range(PASSAGES - len(near)))]

    return [some() for _ in range(plan.warm_up + plan.fetches)]


async def fill(store: GraphStore, documents: int) -> None:
    batch: list[DocumentLinks] = []
    for document in corpus(documents):
        batch.append(document)
        if len(batch) == _BATCH:
            await store.link(batch, namespace=NAMESPACE)
            batch = []
    await store.link(batch, namespace=NAMESPACE)


async def fetch_ms(store: GraphStore, passages: Sequence[str]) -> float:
    began = time.perf_counter()
    found = await store.links(passages, namespace=NAMESPACE)
    taken = (time.perf_counter() - began) * 1_000
    if not found:
        raise RuntimeError("no links: is the graph filled?")
    return taken


def sync(opened: Opened, plan: Plan) -> tuple[list[float], float]:
    """By plain calls, each timed as its caller sees it."""
    background = BackgroundLoop()
    context = opened()
    try:
        store = background.run(_enter(context))
        taken: list[float] = []
        began = time.perf_counter()
        for n, passages in enumerate(asked(plan)):
            if n == plan.warm_up:
                began = time.perf_counter()
            called = time.perf_counter()
            background.run(fetch_ms(store, passages))
            taken.append((time.perf_counter() - called) * 1_000)
        wall = time.perf_counter() - began
        background.run(_leave(context))
        return taken[plan.warm_up :], wall
    finally:
        background.close()


async def _enter(context: AbstractAsyncContextManager[GraphStore]) -> GraphStore:
    return await context.__aenter__()


async def _leave(context: AbstractAsyncContextManager[GraphStore]) -> None:
    await context.__aexit__(None, None, None)


async def on_a_loop(opened: Opened, plan: Plan, at_once: int) -> tuple[list[float], float]:
    """`at_once` callers that take turns at the same fetches."""
    waiting = asked(plan)
    async with opened() as store:
        for passages in waiting[: plan.warm_up]:
            await fetch_ms(store, passages)
        if at_once > 1:  # the connections, too, are there before the clock starts
            await asyncio.gather(*(fetch_ms(store, passages) for passages in waiting[:at_once]))
        queue = iter(waiting[plan.warm_up :])
        taken: list[float] = []

        async def caller() -> None:
            taken.extend([await fetch_ms(store, passages) for passages in queue])

        began = time.perf_counter()
        async with asyncio.TaskGroup() as callers:
            for _ in range(at_once):
                callers.create_task(caller())
        return taken, time.perf_counter() - began


def measure(opened: Opened, plan: Plan) -> dict[str, dict[str, float]]:
    """Figures of each way."""
    return {
        "sync": figures(*sync(opened, plan)),
        "sequential": figures(*asyncio.run(on_a_loop(opened, plan, 1))),
        f"concurrent ({plan.at_once})": figures(*asyncio.run(on_a_loop(opened, plan, plan.at_once))),
    }


def figures(taken: list[float], wall_s: float) -> dict[str, float]:
    """Milliseconds by nearest rank, and fetches a second."""
    ordered = sorted(taken)
    at = {f"p{p}_ms": round(ordered[math.ceil(p / 100 * len(ordered)) - 1], 2) for p in (50, 95, 99)}
    return {**at, "per_s": round(len(taken) / wall_s, 1), "fetches": len(taken)}


@asynccontextmanager
async def embedded(file: Path) -> AsyncIterator[GraphStore]:
    database = await Database.open(file)
    try:
        yield await SqliteGraphStore.open(database)
    finally:
        await database.aclose()


@asynccontextmanager
async def neo4j(uri: str, username: str, password: str | None) -> AsyncIterator[GraphStore]:
    database = await Neo4jDatabase.open(uri, username=username, password=password)
    try:
        yield Neo4jGraphStore(database)
    finally:
        await database.aclose()


@contextmanager
def neo4j_server(uri: str | None, directory: Path) -> Iterator[Opened]:
    if uri is not None:
        username, password = os.environ.get("NEO4J_USERNAME", "neo4j"), os.environ.get("NEO4J_PASSWORD")
        yield lambda: neo4j(uri, username, password)
        return
    require_neo4j()
    server = Neo4jServer(directory, java=LARGE)
    try:
        server.start()
        yield lambda: neo4j(server.uri, "neo4j", PASSWORD)
    finally:
        server.kill()


async def _filled(opened: Opened, documents: int) -> None:
    async with opened() as store:
        await fill(store, documents)


def run(plan: Plan, uri: str | None) -> dict[str, dict[str, dict[str, float]]]:
    """Store -> way -> figures."""
    with TemporaryDirectory() as directory, neo4j_server(uri, Path(directory)) as server:
        stores: dict[str, Opened] = {"embedded": lambda: embedded(Path(directory) / "graph.db"), "neo4j": server}
        results = {}
        for name, opened in stores.items():
            asyncio.run(_filled(opened, plan.documents))
            results[name] = measure(opened, plan)
        return results


def rows(results: dict[str, dict[str, dict[str, float]]]) -> list[dict[str, Any]]:
    return [{"store": store, "way": way, **told} for store, ways in results.items() for way, told in ways.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=5_000)
    parser.add_argument("--fetches", type=int, default=500)
    parser.add_argument("--at-once", type=int, default=10)
    parser.add_argument("--warm-up", type=int, default=100)
    parser.add_argument("--neo4j", metavar="URI")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--csv", type=Path)
    arguments = parser.parse_args()
    plan = Plan(arguments.documents, arguments.fetches, arguments.at_once, arguments.warm_up)
    results = run(plan, arguments.neo4j)
    told = rows(results)
    table = Table(*told[0], title=f"Links of {PASSAGES} passages, {plan.documents} documents")
    for row in told:
        table.add_row(*map(str, row.values()))
    Console().print(table)
    for path in filter(None, (arguments.json, arguments.csv)):
        path.parent.mkdir(parents=True, exist_ok=True)
    if arguments.json:
        document = {"documents": plan.documents, "passages": PASSAGES, "stores": results}
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    if arguments.csv:
        with arguments.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(told[0]))
            writer.writeheader()
            writer.writerows(told)


if __name__ == "__main__":
    main()
