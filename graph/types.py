"""The property graph's values: entities, relations, mentions and typed records. Pure data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from retrieval.types import Document, Passage, Scalar, Vector

EntityKind: TypeAlias = Literal["title", "phrase", "record"]
"""A name of a document, of a record or of a field in it, or a capitalised phrase that is neither."""


class Entity(NamedTuple):
    """A named thing; `id` is its folded name (`graph.names.fold_name`: words joined by one space)."""

    id: str
    name: str
    kind: EntityKind = "phrase"


class Mention(NamedTuple):
    """Entity `entity` stands at [start, end) of passage `passage`'s text."""

    passage: str
    entity: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class PassageLinks:
    """What one passage mentions: `entities` are the ones of `mentions` (at most one mention of each is kept, the
    first). `plain` are the names of one word that stand in its text as ordinary words, without a capital."""

    passage: str
    text: str
    entities: tuple[Entity, ...] = ()
    mentions: tuple[Mention, ...] = ()
    plain: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DocumentLinks:
    """All that the graph is to hold of a document: the names it goes by and its passages in order. `linker` tells who
    linked it, with all the names that it had announced before (`graph.ports.Announcing`)."""

    document: str
    title: str
    names: tuple[Entity, ...] = ()
    passages: tuple[PassageLinks, ...] = ()
    linker: str = ""


@dataclass(frozen=True, slots=True)
class Whole:
    """A document with all that is kept of it: a vector for each passage, and its links. `content_hash` tells whether
    another text would be another document."""

    document: Document
    passages: tuple[Passage, ...]
    vectors: tuple[Vector, ...]
    links: DocumentLinks
    content_hash: str


@dataclass(frozen=True, slots=True)
class Unread:
    """A passage whose text contains a name that was not yet known when it was linked."""

    passage: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Fact:
    """One edge in words a person reads, with the passage or record that it came from."""

    subject: str
    relation: str
    object: str
    source: str


@dataclass(frozen=True, slots=True)
class Record:
    """A typed record: collection `TelemetryEvent`, key `id`, flat fields. Times are ISO 8601 strings. `types` are those
    of fields that are not to be inferred from their values (`graph.fields`); a store keeps them with the collection."""

    collection: str
    id: str
    fields: Mapping[str, Scalar | None]
    types: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)


class RecordKey(NamedTuple):
    collection: str
    id: str


Operator = Literal["=", "!=", "<", "<=", ">", ">=", "contains", "in"]


@dataclass(frozen=True, slots=True)
class Condition:
    """`value` is a tuple for `in`, and for nothing else."""

    field: str
    operator: Operator
    value: Scalar | tuple[Scalar, ...]


Function = Literal["count", "sum", "avg", "min", "max"]
Period = Literal["", "day", "month"]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """`count` is of records and has no field; `sum` and `avg` are of numbers, `min` and `max` of anything but truth
    values."""

    function: Function
    field: str = ""

    @property
    def name(self) -> str:
        """What the field of the result is called: `count`, `avg value`."""
        return f"{self.function} {self.field}".strip()


@dataclass(frozen=True, slots=True)
class Group:
    """A group for each value of a field; of a time field, for each day or month (in UTC)."""

    field: str
    period: Period = ""


@dataclass(frozen=True, slots=True)
class RecordQuery:
    """A checked plan: never text of a query language. `sort` is a field, `descending` its direction.

    With `aggregates` the results are totals instead of records: one for each of the `groups`' values, or one for all;
    `sort` is then the field of a group or the name of an aggregate."""

    collection: str
    conditions: tuple[Condition, ...] = ()
    sort: str | None = None
    descending: bool = True
    limit: int = 5
    groups: tuple[Group, ...] = ()
    aggregates: tuple[Aggregate, ...] = ()


@dataclass(frozen=True, slots=True)
class Collection:
    """What is known of a record collection: field -> its type name (`text`, `number`, `boolean`, `time`), and for
    text fields of few values (at most 50 distinct) those values."""

    name: str
    count: int
    fields: Mapping[str, str]
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Note:
    """What was not found, or not looked for. Of a query of the records: `code` is `unknown_value`, `unknown_field`,
    `unknown_collection` or `empty_range`, and `nearest` are names that exist. Of a further step: `nothing_more`,
    `not_searched` (it failed), `not_followed` (there were too many)."""

    code: str
    name: str
    of: str
    nearest: tuple[str, ...] = ()


NodeKind: TypeAlias = Literal["document", "passage", "entity", "record", "question"]


@dataclass(frozen=True, slots=True)
class Node:
    """`id` carries the kind as a prefix: `document:alarms.md`, `entity:p 101`, `record:TelemetryEvent/TE-001`."""

    id: str
    label: str
    kind: NodeKind


@dataclass(frozen=True, slots=True)
class Edge:
    source: str
    target: str
    relation: str


@dataclass(frozen=True, slots=True)
class Subgraph:
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
