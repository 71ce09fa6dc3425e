"""Which saves make a reload: those of source files in the given directories, and nothing else."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from watchfiles import Change, awatch

SUFFIXES = frozenset({".py", ".j2", ".md", ".json", ".sql", ".lua", ".cypher"})
QUIET_MS = 300
"""Saves with less than this between them are one change."""
LONGEST_MS = 1_600
"""A burst of saves is told of at the latest after this time."""


async def source_changes(directories: Sequence[Path]) -> AsyncIterator[frozenset[str]]:
    """The paths that changed, one set for each burst of saves."""
    changes = awatch(*directories, watch_filter=_is_source, debounce=LONGEST_MS, step=QUIET_MS, raise_interrupt=False)
    async for change in changes:
        yield frozenset(path for _, path in change)


def _is_source(change: Change, path: str) -> bool:
    file = Path(path)
    hidden = any(part.startswith((".", "__pycache__")) for part in file.parts)
    return file.suffix in SUFFIXES and not hidden
