"""What a parser gives, why it may not, and how far it may go. Pure."""

import re
from dataclasses import dataclass, field
from typing import Final

from retrieval.types import Scalar

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of one file: its bytes, its pages, the seconds it may take (of the clock; half of it of a processor's time),
    the bytes of memory that its process may have, and the bytes of text that may come out."""

    size: int = 64 * 1024 * 1024
    pages: int = 2_000
    seconds: float = 60.0
    memory: int = 1024 * 1024 * 1024
    text: int = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Parsed:
    """`title` is "" when the file has none."""

    title: str
    text: str
    metadata: dict[str, Scalar] = field(default_factory=dict)


class Unreadable(Exception):
    """Nothing of the file is taken. `code` is stable, the text is for its owner."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def clean(text: str) -> str:
    """Without what is no character: some parsers hand on the bytes they could not read."""
    return _CONTROL.sub("", text).strip()
