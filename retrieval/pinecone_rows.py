"""Passages as Pinecone's rows: ids and namespaces in ASCII, requests no larger than it takes."""

import hashlib
import json
import string
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

from retrieval.embedded.metadata import encode
from retrieval.errors import Permanent
from retrieval.types import Metadata, Space, Vector

PASSAGE = "_passage"
"""Metadata: the id of a passage whose own is too long for Pinecone."""

LABELS = "%embedder"
"""The namespace of the label, whose name is none of `namespace_of`."""
LABEL = "label"

_MAX_VECTORS = 1_000
_MAX_BYTES = 1_000_000  # of a request; Pinecone takes 2 MB, and aiohttp warns of more than 1 MiB on the loop
_NUMBER_BYTES = 25  # of one float in JSON, at most
_MAX_ID = 512
_MAX_ADDRESS = 4_000
_HASHED = "%sha256:"  # no escape starts like this

_SAFE = "".join(sorted(set(string.printable) - set(string.whitespace) - {"%"})) + " "


def id_of(name: str) -> str:
    """Pinecone's ids are ASCII: the others are escaped like in a URL, and hashed when that is too long."""
    escaped = quote(name, safe=_SAFE, errors="surrogatepass")
    if len(escaped) <= _MAX_ID:
        return escaped
    return _HASHED + hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()


def addressable(ids: Sequence[str]) -> list[list[str]]:
    """In groups that fit into an address: a fetch is a GET."""
    groups: list[list[str]] = [[]]
    size = 0
    for id in ids:
        if groups[-1] and size + len(quote(id)) > _MAX_ADDRESS:
            groups.append([])
            size = 0
        groups[-1].append(id)
        size += len(quote(id)) + len("&ids=")
    return groups if ids else []


def is_hashed(id: str) -> bool:
    """Such an id does not tell its passage's: the row's `PASSAGE` does."""
    return id.startswith(_HASHED)


def passage_of(id: str) -> str:
    """The inverse of `id_of` for an id that is not hashed."""
    return unquote(id, errors="surrogatepass")


def namespace_of(name: str) -> str:
    return "%5F_default__" if name == "__default__" else id_of(name)  # Pinecone's other name for ""


def label(space: Space) -> dict[str, Any]:
    """The row that says which embedder made the vectors of an index. It is a vector, for want of another place."""
    return {"id": LABEL, "values": [1.0] * space.dimension, "metadata": {"embedder": space.name}}


def labelled(rows: Mapping[str, Any]) -> str:
    """The embedder's name, of the rows that a fetch of `LABEL` found; "" when there is no label."""
    return str(rows[LABEL]["metadata"]["embedder"]) if LABEL in rows else ""


def sizes(stats: Mapping[str, Any]) -> dict[str, int]:
    """The number of vectors by namespace, as Pinecone calls them, of an index's statistics."""
    counts = {name: int(told["vector_count"]) for name, told in stats["namespaces"].items() if name != LABELS}
    if "__default__" in counts:
        counts[""] = counts.pop("__default__")
    return counts


def requests(items: Sequence[tuple[str, Vector, Metadata]]) -> list[list[dict[str, Any]]]:
    """The rows of an upsert, a list for each request. Raises `Permanent` for what is not metadata."""
    return list(_packed([(passage, vector, encode(metadata)) for passage, vector, metadata in items]))


def _packed(items: Sequence[tuple[str, Vector, str]]) -> Iterator[list[dict[str, Any]]]:
    rows: list[dict[str, Any]] = []
    size = 0
    for passage, vector, metadata in items:
        row = _row(passage, vector, metadata)
        bytes_ = 2 * _MAX_ID + 6 * len(metadata) + _NUMBER_BYTES * len(vector)  # a letter is six in JSON's escapes
        if rows and (len(rows) == _MAX_VECTORS or size + bytes_ > _MAX_BYTES):
            yield rows
            rows, size = [], 0
        rows.append(row)
        size += bytes_
    if rows:
        yield rows


def _row(passage: str, vector: Vector, metadata: str) -> dict[str, Any]:
    id, fields = id_of(passage), json.loads(metadata)
    if PASSAGE in fields:
        raise Permanent(f"metadata {PASSAGE!r} is a reserved name")
    if is_hashed(id):
        fields[PASSAGE] = passage
    return {"id": id, "values": vector, "metadata": fields}
