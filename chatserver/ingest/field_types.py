"""Types of record fields that a file declares, where those that are inferred from values would be others. Pure."""

import math
from collections.abc import Mapping
from typing import Final

from graph.fields import BOOLEAN, NUMBER, TEXT, TIME, type_of
from retrieval.types import Scalar

TYPES: Final = (TEXT, NUMBER, BOOLEAN, TIME)
_TRUTH: Final = {"true": True, "false": False}


def named(header: str) -> tuple[str, str]:
    """(field, type) of a CSV file's column `serial:text`; without a type of ours behind it, all of it is the name."""
    field, colon, type = header.rpartition(":")
    return (field, type) if colon and field and type in TYPES else (header, "")


def converted(value: Scalar | None, type: str) -> Scalar | None:
    """The value as one of its declared type; null is of any. Raises `ValueError` for one that can't be."""
    if value is None or type_of(value) == type:
        return value
    if type == TEXT:
        return str(value).lower() if isinstance(value, bool) else str(value)
    if type == NUMBER and isinstance(value, str):
        number = float(value)
        if math.isfinite(number):
            return int(number) if number.is_integer() and abs(number) < 2**53 else number
    if type == BOOLEAN and isinstance(value, str) and value.lower() in _TRUTH:
        return _TRUTH[value.lower()]
    raise ValueError(f"{value!r} is no {type}")


def checked(types: object) -> Mapping[str, str]:
    """Raises `ValueError` for what is no mapping of fields to types."""
    if not isinstance(types, dict) or not all(type in TYPES for type in types.values()):
        raise ValueError(f"`types` has to name for each field one of {', '.join(TYPES)}")
    return types
