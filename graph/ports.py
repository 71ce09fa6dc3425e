"""What the graph leg needs from a graph store. Same rules as `retrieval.ports`: coroutines that never block,
`retrieval.errors` for failures, every value a parameter, names of fields and collections only from the schema."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from graph.types import (
    Collection,
    DocumentLinks,
    Entity,
    Fact,
    PassageLinks,
    Record,
    RecordKey,
    RecordQuery,
    Subgraph,
    Unread,
    Whole,
)
from retrieval.types import Hit, Link


@runtime_checkable
class GraphIndex(Protocol):
    """The writing side: documents, passages and the edges MENTIONS, NEXT, PART_OF and names. Writes are atomic per
    call and idempotent."""

    async def link(self, documents: Sequence[DocumentLinks], *, namespace: str = "") -> None:
        """Replaces all that the graph holds of these documents. A name that is new stays `unread` until `relink`
        settles it: earlier passages may mention it. So does one that nothing is called by any more: passages that
        mention it may have another name in its place."""

    async def unlink(self, document: str, *, namespace: str = "") -> None:
        """An unknown document is not an error. Its names may be `unread` afterwards, as with `link`."""

    async def link_records(self, records: Sequence[Record], *, namespace: str = "") -> None:
        """Their names (`graph.names.record_names`) become entities; replaces by (collection, id)."""

    async def unlink_records(self, records: Sequence[RecordKey], *, namespace: str = "") -> None:
        """Nothing is called by them any more; unknown ones are not an error. Their names may be `unread` afterwards."""

    async def names(self, *, namespace: str = "") -> list[str]:
        """The ids of all entities that a document or a record is called by."""

    async def size(self, *, namespace: str = "") -> int:
        """How many passages are linked."""

    async def unread(self, *, limit: int, namespace: str = "") -> tuple[list[str], list[Unread]]:
        """Up to `limit` names that are not settled, and the passages whose words contain one of them and whose links
        may be others for it. A name in too many passages to tell anything has none."""

    async def relink(self, passages: Sequence[PassageLinks], settled: Sequence[str], *, namespace: str = "") -> None:
        """Replaces the mentions of these passages and settles these names. Passages that are gone are left out."""

    async def unsettle(self, names: Sequence[str], *, namespace: str = "") -> None:
        """These are `unread` again: passages were linked by one who did not know that something is called so, or that
        nothing is any more. Unknown names are left out."""


@runtime_checkable
class Announcing(Protocol):
    """Of a `GraphIndex` that need not read passages again for names which were known when they were linked."""

    async def announce(self, names: Sequence[Entity], linker: str, *, namespace: str = "") -> None:
        """These names are to come, and `linker` links passages with them from now on (`DocumentLinks.linker`). Each is
        `unread` until `relink` settles it, so that one which does not come is forgotten where it was linked."""


@runtime_checkable
class GraphStore(GraphIndex, Protocol):
    """The reading side too."""

    async def entities(self, names: Sequence[str], *, namespace: str = "") -> list[Entity]:
        """The known entities among these folded names, in the order asked for."""

    async def expand(
        self,
        passages: Sequence[str],
        entities: Sequence[str],
        *,
        limit: int,
        hops: int = 1,
        namespace: str = "",
    ) -> list[Hit]:
        """Passages reached within `hops` from these passages and entity ids, best first, in one round trip; the
        passages given are not among them.

        Links are followed both ways; an entity mentioned by many passages counts less, by log(1 + N/df).
        Scores lie in (0, 1]; `why` names the strongest link. Bounded: of more than some thousand links some are left
        out, so that then stores may differ in what the weakest add to a score."""

    async def links(self, passages: Sequence[str], *, namespace: str = "") -> list[Link]:
        """The links from these passages to any others, these included, in one round trip: each pair once for every
        kind and name. Weights are those of `expand`.

        Bounded: a name that more than some dozens of passages mention leads to the document called so and nowhere
        else."""

    async def facts(self, passages: Sequence[str], *, limit: int, namespace: str = "") -> list[Fact]:
        """Edges between what these passages are about and mention, worth telling a reader."""

    async def subgraph(self, centre: str, *, hops: int = 1, limit: int = 50, namespace: str = "") -> Subgraph:
        """Around an entity, passage, document or record id, the first node; empty when it is unknown. Node ids are
        unique: they carry the kind as a prefix (`document:alarms.md`), which `centre` may have too."""


@runtime_checkable
class Library(Protocol):
    """The writing side of documents, passages, vectors and links as one. A search, by whatever leg, finds the passages
    of a whole document: of the old one until `store` has come to its end, of the new one from then on; never none, and
    never some of each. A call that is cut off by a crash leaves nothing behind that the next one does not mend."""

    async def store(self, wholes: Sequence[Whole], *, namespace: str = "") -> None:
        """Replaces by the document's id; visible once it returns. No id is given twice in one call."""

    async def remove(self, documents: Sequence[str], *, namespace: str = "") -> list[str]:
        """Those of the documents that were there."""


@runtime_checkable
class RecordStore(Protocol):
    """Typed records: filter, sort, limit, group and aggregate. `put` replaces by (collection, id)."""

    async def put(self, records: Sequence[Record], *, namespace: str = "") -> None:
        """Raises `graph.errors.InvalidRecord` for a name that no query could carry (empty, a quote, a control
        character); then none of them is stored."""

    async def delete(self, records: Sequence[RecordKey], *, namespace: str = "") -> list[RecordKey]:
        """Those of the records that were there, each once. A collection goes with its last record, and with it what is
        known of its fields. The graph's names of them are the caller's to unlink, before."""

    async def collections(self, *, namespace: str = "") -> Mapping[str, Collection]: ...

    async def namespaces(self) -> list[str]:
        """Those that hold records."""

    async def page(self, collection: str, after: str, *, limit: int, namespace: str = "") -> list[Record]:
        """Up to `limit` records whose ids come behind `after`, in the store's order of ids; of an unknown collection
        none. No id comes before ""."""

    async def query(self, query: RecordQuery, *, namespace: str = "") -> list[Record]:
        """Raises `graph.errors.UnknownField`/`UnknownCollection` (with the nearest names) and `InvalidCondition`
        (a value or operator that does not fit the field's type) before anything runs.
        A missing or null field matches no condition but `!=`, and sorts last; ties are in the order of ids.

        With aggregates each result is a total (`graph.totals.total`): its fields are those of the groups and the
        aggregates by their names. Without groups there is always one, of no records too. Null fields make a group of
        their own, sorted last, and are left out of every aggregate but `count`; one without values is null. `min` and
        `max` of times are instants in UTC, to the second. Ties are in the order of the groups' values. Raises
        `InvalidAggregate` for what the field's type does not have."""
