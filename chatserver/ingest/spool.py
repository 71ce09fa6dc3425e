"""What jobs were given to ingest, kept in the data directory until it is stored."""

import asyncio
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final

import orjson

_BLOCK: Final = 1 << 20
_ROWS: Final = "items.jsonl"
_FILES: Final = ("files", *(f"files-{copy}" for copy in range(2, 9)))
"""Files of one name lie in one after the other."""


class InvalidName(ValueError):
    """A file's name that could lead out of its job, or that no loader would find."""


class Spool:
    """`root`/JOB/files holds the files by their names (a second one of a name is in files-2), `root`/JOB/rows what came
    as JSON, a row a line."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def paths(self, job: str) -> list[Path]:
        """The directories of a job, for `chatserver.ingest.files.find`."""
        folder = self._root / job
        return [path for path in (folder / "rows", *(folder / files for files in _FILES)) if path.exists()]

    async def keep_rows(self, job: str, rows: Iterable[Mapping[str, Any]]) -> int:
        """As the loader of JSONL reads them; how many bytes they are. Durable once it returns. Raises OSError."""
        return await asyncio.to_thread(self._keep_rows, job, rows)

    async def keep_file(self, job: str, name: str, content: BinaryIO) -> int:
        """How many bytes it has. Durable once it returns. Raises `InvalidName`, OSError."""
        return await asyncio.to_thread(self._keep_file, job, _safe(name), content)

    async def drop(self, job: str) -> None:
        await asyncio.to_thread(shutil.rmtree, self._root / job, ignore_errors=True)

    async def jobs(self) -> list[str]:
        """Those that something is kept for."""
        return await asyncio.to_thread(lambda: sorted(path.name for path in self._root.glob("*")))

    async def written_at(self, job: str) -> float | None:
        """When its first file came, in seconds since the Unix epoch; None when nothing is kept for it (any more)."""
        try:
            return (await asyncio.to_thread((self._root / job).stat)).st_mtime
        except FileNotFoundError:
            return None

    def _keep_rows(self, job: str, rows: Iterable[Mapping[str, Any]]) -> int:
        return _write(self._root / job / "rows" / _ROWS, (orjson.dumps(row) + b"\n" for row in rows))

    def _keep_file(self, job: str, name: PurePosixPath, content: BinaryIO) -> int:
        for files in _FILES:
            with suppress(FileExistsError, NotADirectoryError):  # one of that name, or of that of a folder
                return _write(self._root / job / files / name, iter(lambda: content.read(_BLOCK), b""))
        raise InvalidName(f"{name} for the {len(_FILES) + 1}th time")


def _safe(name: str) -> PurePosixPath:
    path = PurePosixPath(name.replace("\\", "/"))
    parts: Sequence[str] = path.parts
    hidden = any(part.startswith(".") or "\0" in part for part in parts)
    if not parts or path.is_absolute() or hidden or len(name.encode(errors="replace")) > 1_000 or len(parts) > 32:
        raise InvalidName(name)
    if any(len(part.encode(errors="replace")) > 255 for part in parts):
        raise InvalidName(name)
    return path


def _write(path: Path, blocks: Iterable[bytes]) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with path.open("xb") as file:
        for block in blocks:
            size += file.write(block)
        file.flush()
        os.fsync(file.fileno())
    return size
