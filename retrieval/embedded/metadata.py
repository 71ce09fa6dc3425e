"""Metadata as it is stored: one JSON object, which `retrieval.filters` reads in SQL."""

import json
import math
from typing import Any

import orjson

from retrieval.errors import Permanent
from retrieval.types import Metadata


def encode(metadata: Metadata) -> str:
    """Raises `Permanent` for values that are not metadata (None, nested objects, NaN, lists of other than text)."""
    for key, value in metadata.items():
        if not isinstance(key, str) or not _is_metadata(value):
            raise Permanent(f"metadata {key!r} is not text, a number, a boolean or a list of texts")
    values = dict(metadata)
    try:
        return orjson.dumps(values).decode()
    except TypeError:  # a number of more than 64 bits
        return json.dumps(values, ensure_ascii=False)


def decode(stored: str) -> Metadata:
    loaded = json.loads(stored)
    return {key: tuple(value) if isinstance(value, list) else value for key, value in loaded.items()}


def _is_metadata(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(isinstance(one, str) for one in value)
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))
