"""The values that retrieval speaks in. Pure data: no I/O, no adapter is imported here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, NamedTuple, TypeAlias

Scalar: TypeAlias = str | int | float | bool
Metadata: TypeAlias = Mapping[str, Scalar | tuple[str, ...]]
Vector: TypeAlias = list[float]
"""Plain floats, length = the embedder's dimension, finite, not all zero. Never numpy scalars: the Pinecone
SDK rejects them."""


@dataclass(frozen=True, slots=True)
class Space:
    """Whose vectors can be compared: `name` is the embedder's. Two spaces may have one dimension."""

    name: str
    dimension: int

    def __str__(self) -> str:
        return f"{self.name} ({self.dimension} numbers)"


class Serving(NamedTuple):
    """A stored vector in the state that `change` stands for."""

    namespace: str
    passage: str
    change: int


@dataclass(frozen=True, slots=True)
class Document:
    """One text as it was ingested; `id` is unique within a namespace."""

    id: str
    title: str
    text: str
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Passage:
    """One chunk of a document, as it is indexed, retrieved and cited.

    `id` is the document's id when the document is a single chunk, else `{document}#{index}`. `start` and `end`
    are character offsets into the document's text.
    """

    id: str
    document: str
    title: str
    text: str
    index: int = 0
    start: int = 0
    end: int = 0
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Query:
    """What to retrieve: `text` is the question, `filter` a `retrieval.ports.Filter` over passages' metadata."""

    text: str
    namespace: str = ""
    filter: Mapping[str, object] | None = None
    top_k: int = 5


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage id found by one leg; higher scores are better, scales differ between legs."""

    passage: str
    score: float
    why: str = ""
    """How it was found, in words a person reads: `mentions «Pump P-101»`, `next chunk of …`."""


@dataclass(frozen=True, slots=True)
class Frequencies:
    """How common words are: `of` tells in how many of the `passages` each one stands, in any inflection."""

    passages: int
    of: Mapping[str, int]


LinkKind: TypeAlias = Literal["title", "mentioned", "shared", "next", "previous"]
"""How the one leads to the other: it mentions the other's name, the other mentions its name, both mention a third,
the other is the chunk after it or before it."""


class Link(NamedTuple):  # a question has more than a thousand: three times as fast to make as a dataclass
    """Passage `source` leads to passage `target` with `weight` in (0, 1]. `name` is what is mentioned and `at` where,
    as an offset into the text of the one that mentions it (the source's for `shared`); -1 for neighbouring chunks."""

    source: str
    target: str
    kind: LinkKind
    weight: float
    name: str = ""
    at: int = -1


@dataclass(frozen=True, slots=True)
class Via:
    """The link that leads to a passage: from passage `source`, whose title is `title`, over the name `name`."""

    source: str
    title: str
    kind: LinkKind
    name: str = ""


@dataclass(frozen=True, slots=True)
class RankedPassage:
    """A passage after fusion, best first. `why` has one reason for each leg that found it; for a program, `ranks` has
    its place in each of these legs, from 1, and `via` the link that leads to it."""

    passage: Passage
    score: float
    why: tuple[str, ...] = ()
    ranks: Mapping[str, int] = field(default_factory=dict)
    via: Via | None = None


class LegState(StrEnum):
    OK = "ok"
    LATE = "late"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class LegReport:
    """How one retrieval leg ended: name (`vector`, `keyword`, `graph`, `expansion`), state, time and hits."""

    leg: str
    state: LegState
    ms: float
    hits: int
    code: str = ""
    """For LATE and FAILED: a stable error code, fit for users (never an exception's text)."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a retrieval gave: the passages best first, and how each leg ended."""

    passages: tuple[RankedPassage, ...]
    legs: tuple[LegReport, ...]
