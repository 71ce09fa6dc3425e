"""What one client did and was told, in order, as the checker reads it. Values only."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Frame: TypeAlias = Mapping[str, Any]

Direction: TypeAlias = Literal["sent", "got", "closed"]


@dataclass(frozen=True, slots=True)
class Record:
    """`at` is in seconds of a monotonic clock; `closed` has a `code`, 1006 when there was no close frame."""

    connection: int
    at: float
    direction: Direction
    frame: Frame


@dataclass(slots=True)
class Journal:
    """One client over all its connections. `complete`: it meant to read every answer that it asked for to its end."""

    client: str
    user: str = "anonymous"
    complete: bool = True
    records: list[Record] = field(default_factory=list)

    def connections(self) -> Iterator[list[Record]]:
        """The records of each connection, in the order of the connections."""
        by_connection: dict[int, list[Record]] = {}
        for record in self.records:
            by_connection.setdefault(record.connection, []).append(record)
        yield from by_connection.values()

    def got(self, kind: str) -> list[Frame]:
        """The events of one type, in order."""
        return [r.frame for r in self.records if r.direction == "got" and r.frame["type"] == kind]

    def sent(self, kind: str) -> list[Frame]:
        return [r.frame for r in self.records if r.direction == "sent" and r.frame["type"] == kind]


@dataclass(frozen=True, slots=True)
class Log:
    """An answer's log as a fresh resume from the start has shown it; `user` is who could read it."""

    answer: str
    epoch: str
    state: str
    entries: tuple[Frame, ...]
    user: str = "anonymous"
