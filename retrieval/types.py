"""The values that retrieval speaks in. Pure data: no I/O, no adapter is imported here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

Scalar: TypeAlias = str | int | float | bool
Metadata: TypeAlias = Mapping[str, Scalar | tuple[str, ...]]
Vector: TypeAlias = list[float]
"""Plain floats, length = the embedder's dimension, finite, not all zero. Never numpy scalars: the Pinecone
SDK rejects them."""


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
class RankedPassage:
    """A passage after fusion, best first. `why` has one reason for each leg that found it."""

    passage: Passage
    score: float
    why: tuple[str, ...] = ()


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
