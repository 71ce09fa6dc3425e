"""What a backup says of itself. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backup:
    """`files` are sizes and SHA-256 by name, `held_s` how long writers waited for it; `elsewhere` says what of the
    installation is not in it, and where that is."""

    made_at: float
    """Seconds since the Unix epoch."""
    version: str
    format: int
    files: Mapping[str, tuple[int, str]]
    held_s: float
    elsewhere: Sequence[str] = ()

    @property
    def bytes(self) -> int:
        return sum(size for size, _ in self.files.values())
