"""The checks that the `Embedder` port promises, for every implementation: bad text is an error before any call, a bad
vector is one before anything is stored."""

import math
from collections.abc import Sequence

from retrieval.errors import DimensionMismatch, InvalidText, Permanent
from retrieval.types import Vector


def check_texts(texts: Sequence[str]) -> None:
    """Raises `InvalidText` when a text is blank or is not valid Unicode (half a surrogate pair)."""
    for index, text in enumerate(texts):
        if not text.strip():
            raise InvalidText(f"text {index} is blank")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidText(f"text {index} is not valid Unicode") from error


def check_vectors(vectors: Sequence[Vector], *, count: int, dimension: int) -> None:
    """Raises `DimensionMismatch`, or `Permanent` when there are not `count` vectors or one is not finite or zero."""
    if len(vectors) != count:
        raise Permanent(f"{len(vectors)} vectors for {count} texts")
    for index, vector in enumerate(vectors):
        if len(vector) != dimension:
            raise DimensionMismatch(f"vector {index} has {len(vector)} dimensions, not {dimension}")
        if not all(map(math.isfinite, vector)):
            raise Permanent(f"vector {index} is not finite")
        if not any(vector):
            raise Permanent(f"vector {index} is zero")
