"""A vector as bytes: float32, little-endian, behind a checksum. Pure."""

import sys
import zlib
from array import array

from retrieval.types import Vector

_CHECKSUM = 4  # bytes


def pack(vector: Vector) -> bytes:
    data = _swapped(array("f", vector)).tobytes()
    return zlib.crc32(data).to_bytes(_CHECKSUM, "little") + data


def unpack(packed: bytes) -> Vector | None:
    """None for anything that `pack` has not made."""
    checksum, data = packed[:_CHECKSUM], packed[_CHECKSUM:]
    if not data or len(data) % 4 or zlib.crc32(data).to_bytes(_CHECKSUM, "little") != checksum:
        return None
    return _swapped(array("f", data)).tolist()


def _swapped(values: "array[float]") -> "array[float]":
    if sys.byteorder == "big":
        values.byteswap()
    return values
