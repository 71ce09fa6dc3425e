"""The graph in hybrid retrieval: what the names in a question lead to, and the links of passages."""

from collections.abc import Sequence

from graph.mentions import Asked, NameTrie, names_in, runs
from graph.ports import GraphStore
from graph.types import Entity
from retrieval.types import Hit, Link, Query

DEPTH = 50
_ONE_WORD = 0.5  # a name of one word is half as sure


class GraphLeg:
    """A `retrieval.ports.Leg`: the passages that the names in the question title or are mentioned in. Scores lie in
    (0, 1]: how surely the question names the passage. Three reads at most, whatever the question."""

    def __init__(self, store: GraphStore) -> None:
        self._store = store

    async def __call__(self, query: Query) -> list[Hit]:
        known = await self._store.entities(runs(query.text), namespace=query.namespace)
        asked = _asked(query.text, known)
        sure = [name.entity for name in asked if name.words > 1]
        unsure = [name.entity for name in asked if name.words == 1]
        hits = [(hit, 1.0) for hit in await self._passages(sure, query.namespace)]
        hits += [(hit, _ONE_WORD) for hit in await self._passages(unsure, query.namespace)]
        return _best(hits)

    async def _passages(self, entities: Sequence[str], namespace: str) -> list[Hit]:
        if not entities:
            return []
        return await self._store.expand([], entities, limit=DEPTH, namespace=namespace)


class GraphLinks:
    """A `retrieval.ports.Links` over the graph."""

    def __init__(self, store: GraphStore) -> None:
        self._store = store

    async def __call__(self, query: Query, passages: Sequence[str]) -> list[Link]:
        return await self._store.links(passages, namespace=query.namespace)


def _asked(question: str, known: Sequence[Entity]) -> list[Asked]:
    """Names of documents and records however they are written, other phrases only with a capital: `date of birth`
    is a phrase in many corpora and a name in none."""
    kinds = {entity.id: entity.kind for entity in known}
    named = names_in(question, NameTrie(kinds))
    return [name for name in named if name.capital or kinds[name.entity] != "phrase"]


def _best(hits: Sequence[tuple[Hit, float]]) -> list[Hit]:
    """Each passage once, with its best score; best first, ties by id."""
    best: dict[str, Hit] = {}
    for hit, share in hits:
        weighed = Hit(hit.passage, hit.score * share, hit.why)
        if hit.passage not in best or weighed.score > best[hit.passage].score:
            best[hit.passage] = weighed
    return sorted(best.values(), key=lambda hit: (-hit.score, hit.passage))
