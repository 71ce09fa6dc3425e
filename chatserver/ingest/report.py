"""What an ingest tells: progress while it runs, and in the end what went in and what did not."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

STAGES: Final = ("load", "chunk", "metadata", "embed", "store", "link")

Progress: TypeAlias = Callable[[str, int, int], None]
"""`(stage, done, total)`, called on the event loop. `load` counts bytes of files (or items, where there are no
files), `link` names, the others passages, whose total grows while files are read. `metadata` is told where a model
extracts it."""


def no_progress(stage: str, done: int, total: int) -> None:
    """For callers who do not watch."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that was left out. `code` is stable; `line` counts from 1, 0 when it is about the whole file."""

    code: str
    message: str
    file: str = ""
    line: int = 0


@dataclass(slots=True)
class IngestReport:
    """`documents`, `passages` and `records` went in; `unchanged` documents were there already; `skipped` are files
    of kinds that are not read; `errors` were left out, each alone."""

    documents: int = 0
    passages: int = 0
    records: int = 0
    unchanged: int = 0
    skipped: list[str] = field(default_factory=list)
    errors: list[Problem] = field(default_factory=list)
