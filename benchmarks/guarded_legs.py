"""How long a context takes when legs are far away, when one of them is gone, and when its breaker is open."""

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from benchmarks.sample import QUESTIONS, ingested
from chatserver.guards.guard import Guard
from chatserver.guards.retrieval import GuardedVectorStore, Limits
from chatserver.guards.watch import Counts
from graph.embedded.store import SqliteGraphStore
from graph.leg import GraphLeg, GraphLinks
from retrieval.embedded.database import Database
from retrieval.embedded.documents import SqliteDocumentStore
from retrieval.embedded.keywords import SqliteKeywordIndex
from retrieval.embedded.vectors import SqliteVectorStore
from retrieval.embedders.wordllama import WordLlamaEmbedder
from retrieval.errors import Temporary
from retrieval.fusion import GRAPH, KEYWORD, VECTOR
from retrieval.hybrid import Hybrid
from retrieval.legs import keyword_leg, vector_leg
from retrieval.ports import Filter, Leg, VectorStore
from retrieval.types import Found, Hit, Metadata, Query, Vector

Mood: TypeAlias = Literal["well", "hangs", "refuses"]

DEADLINE_S = 1.0
_LEGS_SHARE = 0.8  # of the deadline: what `Hybrid` gives its legs


@dataclass
class Distant:
    """A vector store that answers after `latency_s`, never, or with an error."""

    store: VectorStore
    latency_s: float = 0.0
    mood: Mood = "well"

    async def upsert(self, items: Sequence[tuple[str, Vector, Metadata]], *, namespace: str = "") -> None:
        raise NotImplementedError

    async def delete(self, passages: Sequence[str], *, namespace: str = "") -> None:
        raise NotImplementedError

    async def search(
        self, vector: Vector, *, top_k: int, namespace: str = "", filter: Filter | None = None
    ) -> list[Hit]:
        match self.mood:
            case "hangs":
                await asyncio.Event().wait()
            case "refuses":
                raise Temporary("refused")
        await asyncio.sleep(self.latency_s)
        return await self.store.search(vector, top_k=top_k, namespace=namespace, filter=filter)

    async def fetch(self, passages: Sequence[str], *, namespace: str = "") -> dict[str, Vector]:
        raise NotImplementedError


def distant(leg: Leg, latency_s: float) -> Leg:
    async def later(query: Query) -> Sequence[Hit]:
        await asyncio.sleep(latency_s)
        return await leg(query)

    return later


async def timed(hybrid: Hybrid, rounds: int) -> tuple[list[float], list[Found]]:
    """Seconds of each context, one after the other."""
    seconds, found = [], []
    for number in range(rounds):
        began = time.perf_counter()
        found.append(await hybrid.search(Query(QUESTIONS[number % len(QUESTIONS)])))
        seconds.append(time.perf_counter() - began)
    return seconds, found


async def legs(rounds: int = 20, deadline_s: float = DEADLINE_S) -> dict[str, Any]:
    async with ingested() as settings:
        database = await Database.open(settings.storage.data_dir / "knowledge.db")
        embedder = WordLlamaEmbedder()
        try:
            return await _measured(database, embedder, rounds, deadline_s)
        finally:
            await embedder.aclose()
            await database.aclose()


async def _measured(database: Database, embedder: WordLlamaEmbedder, rounds: int, deadline_s: float) -> dict[str, Any]:
    graph = await SqliteGraphStore.open(database)
    store = Distant(await SqliteVectorStore.open(database))
    keywords = keyword_leg(await SqliteKeywordIndex.open(database))
    documents = await SqliteDocumentStore.open(database)

    def hybrid(guard: Guard, keyword_s: float = 0.0, graph_s: float = 0.0) -> Hybrid:
        guarded = GuardedVectorStore(store, guard, Limits(read_s=0.4 * deadline_s))
        legs = {
            VECTOR: vector_leg(embedder, guarded),
            KEYWORD: distant(keywords, keyword_s),
            GRAPH: distant(GraphLeg(graph), graph_s),
        }
        return Hybrid(documents, legs, links=GraphLinks(graph), deadline_s=deadline_s)

    await timed(hybrid(Guard("warm-up", Counts())), 10)
    near, _ = await timed(hybrid(Guard("near", Counts())), rounds)

    store.latency_s = 0.3
    far, found = await timed(hybrid(Guard("far", Counts()), 0.2, 0.25), rounds)
    slowest = [max(leg.ms for leg in one.legs) / 1_000 for one in found]
    figures: dict[str, Any] = {
        "near_ms": _ms(statistics.median(near)),
        "far_ms": _ms(statistics.median(far)),
        "far_slowest_leg_ms": _ms(statistics.median(slowest)),
        "context_to_slowest_leg": round(
            statistics.median(whole / leg for whole, leg in zip(far, slowest, strict=True)), 3
        ),
        "leg_deadline_ms": _ms(_LEGS_SHARE * deadline_s),
    }
    store.latency_s = 0.0
    moods: tuple[Mood, ...] = ("hangs", "refuses")
    for mood in moods:
        store.mood = mood
        guard = Guard(mood, Counts())
        down: list[float] = []
        while guard.state == "closed":
            down += (await timed(hybrid(guard), 1))[0]
        opened, found = await timed(hybrid(guard), rounds)
        figures |= {
            f"{mood}_contexts_until_open": len(down),
            f"{mood}_longest_ms": _ms(max(down)),
            f"{mood}_open_ms": _ms(statistics.median(opened)),
            f"{mood}_open_leg_longest_ms": round(
                max(leg.ms for one in found for leg in one.legs if leg.leg == VECTOR), 2
            ),
        }
    return figures


def _ms(seconds: float) -> float:
    return round(seconds * 1_000, 1)
