"""Metadata as it is stored: one JSON object, which `retrieval.filters` reads in SQL."""

import json
import math

from retrieval.errors import Permanent
from retrieval.types import Metadata


def encode(metadata: Metadata) -> str:
    """Raises `Permanent` for values that are not metadata (None, nested objects, NaN, lists of other than text)."""
    for key, value in metadata.items():
        listed = value if isinstance(value, tuple | list) else ()
        plain = isinstance(value, str | int | float | tuple | list) and all(isinstance(v, str) for v in listed)
        if not isinstance(key, str) or not plain or (isinstance(value, float) and not math.isfinite(value)):
            raise Permanent(f"metadata {key!r} is not text, a number, a boolean or a list of texts")
    return json.dumps(dict(metadata), ensure_ascii=False)


def decode(stored: str) -> Metadata:
    loaded = json.loads(stored)
    return {key: tuple(value) if isinstance(value, list) else value for key, value in loaded.items()}
