"""What the graph leg needs from a graph store. Same rules as `retrieval.ports`: coroutines that never block,
`retrieval.errors` for failures, every value a parameter, names of fields and collections only from the schema."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from graph.types import Collection, Entity, Fact, Mention, Record, RecordQuery, Subgraph
from retrieval.types import Hit


@runtime_checkable
class GraphStore(Protocol):
    """Documents, passages, entities and their edges (MENTIONS, NEXT, PART_OF). Writes are idempotent."""

    async def link(
        self,
        document: str,
        passages: Sequence[str],
        entities: Sequence[Entity],
        mentions: Sequence[Mention],
        *,
        namespace: str = "",
    ) -> None:
        """Replaces all that the graph holds of this document: PART_OF, NEXT in the order given, MENTIONS."""

    async def unlink(self, document: str, *, namespace: str = "") -> None: ...

    async def entities(self, names: Sequence[str], *, namespace: str = "") -> list[Entity]:
        """The known entities among these folded names, in the order asked for."""

    async def expand(
        self, passages: Sequence[str], entities: Sequence[str], *, limit: int, hops: int = 1, namespace: str = ""
    ) -> list[Hit]:
        """Passages reached within `hops` from these passages and entity ids, best first, in one round trip.

        Links are followed both ways; an entity mentioned by many passages counts less (weight log(1 + N/df)).
        `why` names the link."""

    async def facts(self, passages: Sequence[str], *, limit: int, namespace: str = "") -> list[Fact]:
        """Edges between what these passages mention, worth telling a reader."""

    async def subgraph(self, centre: str, *, hops: int = 1, limit: int = 50, namespace: str = "") -> Subgraph:
        """Around an entity, passage, document or record id; empty when it is unknown."""


@runtime_checkable
class RecordStore(Protocol):
    """Typed records: filter, sort, limit. `put` replaces by (collection, id)."""

    async def put(self, records: Sequence[Record], *, namespace: str = "") -> None: ...

    async def collections(self, *, namespace: str = "") -> Mapping[str, Collection]: ...

    async def query(self, query: RecordQuery, *, namespace: str = "") -> list[Record]:
        """Raises `graph.errors.UnknownField`/`UnknownCollection` (with the nearest names) before anything runs.
        A missing or null field matches no condition but `!=`, and sorts last."""
