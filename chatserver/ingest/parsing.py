"""What ingestion needs from whoever reads files of a foreign format."""

from pathlib import Path
from typing import Protocol

from chatserver.ingest.formats.parsed import Parsed, Unreadable


class FileParser(Protocol):
    """A file that hangs, crashes or swells its reader hurts nothing else: not the caller, not the next file."""

    async def parse(self, path: Path, format: str) -> Parsed:
        """`format` is one of `chatserver.ingest.kinds.PARSED`. Raises `Unreadable`."""


class NoParser:
    """Where none is wired."""

    async def parse(self, path: Path, format: str) -> Parsed:
        raise Unreadable("format_not_installed", f"{format} is not read here")
