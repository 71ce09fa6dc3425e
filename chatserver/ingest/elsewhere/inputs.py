"""A job's files, brought from its data directory block by block to this machine's disk while the job runs."""

import asyncio
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from chatserver.ingest.elsewhere import errands
from chatserver.ingest.elsewhere.errands import BLOCK, Given
from chatserver.ingest.elsewhere.stores import Far
from chatserver.ingest.files import Found, Source, told_apart
from chatserver.ingest.report import Problem
from chatserver.ingest.watching import Patiently
from retrieval.errors import Temporary

_LEFT_S: Final = 7 * 86_400.0
"""What a killed worker has left goes after a week: no job is fetched for so long."""


class DiskFull(Temporary):
    """This machine can't hold a job's files now."""

    code = "worker_disk_full"


@dataclass(frozen=True, slots=True)
class FarInputs:
    """`folder` is this machine's; what a job brings there goes with its end."""

    far: Far
    folder: Path

    @asynccontextmanager
    async def opened(self, given: Mapping[str, Any], patiently: Patiently) -> AsyncIterator[Found]:
        await asyncio.to_thread(self._clean)
        mine = self.folder / uuid.uuid4().hex
        try:
            listing = await patiently(lambda: self.far.ask(errands.LIST, dict(given)))
            sources = []
            for number, file in enumerate(listing.files):
                path = mine / f"{number}{Path(file.name).suffix}"
                await self._fetch(given, file, path, patiently)
                sources.append(Source(path, file.name, file.size))
            problems = tuple(Problem(fault.code, fault.message, fault.file) for fault in listing.faults)
            yield Found(told_apart(sources), listing.skipped, problems)
        finally:
            await asyncio.to_thread(shutil.rmtree, mine, ignore_errors=True)

    async def _fetch(self, given: Mapping[str, Any], file: Given, path: Path, patiently: Patiently) -> None:
        """As many bytes as the directory said that it has."""
        await patiently(partial(asyncio.to_thread, _append, path, b""))
        for at in range(0, file.size, BLOCK):
            asked = (dict(given), file.root, file.name, at)
            block = await patiently(partial(self.far.ask, errands.READ, asked))
            await patiently(partial(asyncio.to_thread, _append, path, block))

    def _clean(self) -> None:
        for left in self.folder.glob("*"):
            try:
                old = left.stat().st_mtime < time.time() - _LEFT_S
            except FileNotFoundError:  # another job's, and it has ended
                continue
            if old:
                shutil.rmtree(left, ignore_errors=True)


def _append(path: Path, block: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            at = file.tell()
            try:
                file.write(block)
                file.flush()
            except OSError:
                file.truncate(at)
                raise
    except OSError as error:
        raise DiskFull(f"{path.parent}: {error.strerror}") from error
