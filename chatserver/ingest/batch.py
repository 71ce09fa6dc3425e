"""What is stored together, what is refused, and what makes a document the same. Pure."""

import hashlib
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import orjson

from graph.errors import InvalidRecord
from graph.fields import check_record
from graph.types import Record
from retrieval.chunking import SIZE
from retrieval.types import Document

_FULL: Final = 512
"""Passages and records, about: what one transaction stores. New names and words lie all over the indexes, so half as
many (256) write nearly the same pages twice; twice as many hold more memory and the file's lock for nothing."""
_FORM: Final = 5  # raise it when the same text would give other passages, links or words


class Place(NamedTuple):
    """Where a value came from. `ordinal` tells those apart that came from no file."""

    file: str
    line: int
    ordinal: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.ordinal}"


class Sourced(NamedTuple):
    document: Document
    place: Place


@dataclass(slots=True)
class Batch:
    documents: list[Sourced] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    _size: int = 0

    def add(self, value: Document | Record, place: Place) -> None:
        if isinstance(value, Document):
            self.documents.append(Sourced(value, place))
            self._size += 1 + len(value.text) // SIZE
        else:
            self.records.append(value)
            self._size += 1

    @property
    def full(self) -> bool:
        return self._size >= _FULL


def content_hash(document: Document, space: str) -> str:
    """Of all that decides what is stored; `space` may name that of the vectors."""
    metadata = sorted(document.metadata.items())
    content = orjson.dumps([_FORM, space, document.title, document.text, metadata])
    return hashlib.sha256(content).hexdigest()


def fault_of(value: Document | Record) -> tuple[str, str] | None:
    """`(code, message)` when it can't be stored."""
    if isinstance(value, Record):
        try:
            check_record(value)
        except InvalidRecord as error:
            return error.code, str(error)
        return None
    if not value.id:
        return "missing_id", "a document needs an id"
    if not value.text.strip():
        return "empty_text", "there is no text in it"
    try:
        content_hash(value, "")
    except (orjson.JSONEncodeError, UnicodeError):
        return "invalid_text", "not valid Unicode"
    return None
