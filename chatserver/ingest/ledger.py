"""What a job has done and paid for, so that whoever goes on with it does none of it again.

Contract, checked by `tests/contracts/test_ledger.py`
    Paid        `save` keeps the result of an upstream's call under a key that says all it was made from. Once it has
                returned, `load` gives it, also to another process and after a SIGKILL, until `discard`. What is kept
                belongs to no job: two jobs with the same text pay once.
    Seen        `note` remembers for a job where each document came from and how it was judged at first. The first
                place and the first judgement stay: so the second of two documents with one id is told from the first
                one met again, and a document that was stored before a kill from one that was there before the job.
    Ended       `end` forgets what the job has seen, and nothing that was paid.
    Scrubbed    Once `scrub` has returned, no byte of what was forgotten is left in a file.
    Measured    `bytes_per_s` is that of the last ingests that were `measured`, None before the first.

Raises `retrieval.errors.RetrievalError`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Note(NamedTuple):
    """A document of a job. `place` is the file and line that it came from, `passages` how many were stored, None when
    it was there unchanged."""

    document: str
    place: str
    passages: int | None


class Paid(Protocol):
    async def load(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        """Those that are kept."""

    async def save(self, results: Mapping[str, bytes]) -> None: ...

    async def discard(self, keys: Sequence[str]) -> None:
        """What they paid for is stored where it belongs."""


class Seen(Protocol):
    async def note(self, notes: Sequence[Note]) -> list[Note]:
        """The first note of each one's document, in the order given."""


class Ledger(Paid, Protocol):
    def seen(self, job: str) -> Seen: ...

    async def end(self, job: str) -> None: ...

    async def scrub(self) -> None: ...

    async def measured(self, size: int, seconds: float) -> None: ...

    async def bytes_per_s(self) -> float | None: ...


class Unpaid:
    """Keeps nothing: for an ingest that no process goes on with."""

    async def load(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        return {}

    async def save(self, results: Mapping[str, bytes]) -> None:
        """Nothing."""

    async def discard(self, keys: Sequence[str]) -> None:
        """Nothing."""


@dataclass(slots=True)
class SeenOnce:
    """In memory, for one ingest."""

    notes: dict[str, Note]

    async def note(self, notes: Sequence[Note]) -> list[Note]:
        return [self.notes.setdefault(note.document, note) for note in notes]
