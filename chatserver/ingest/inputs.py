"""Where a job's files are, for who runs it: below the paths that it names, or in the spool."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from chatserver.ingest.files import Found, find
from chatserver.ingest.spool import Spool
from chatserver.ingest.watching import Patiently
from retrieval.errors import Permanent


class InputGone(Permanent):
    """What the job was given is not in the data directory any more."""

    code = "input_gone"


class Inputs(Protocol):
    def opened(self, given: Mapping[str, Any], patiently: Patiently) -> AbstractAsyncContextManager[Found]:
        """The files, to be read as long as the context lasts. Raises `InputGone`, `RetrievalError`."""


@dataclass(frozen=True, slots=True)
class OwnInputs:
    """Of the data directory that this process has opened."""

    spool: Spool

    @asynccontextmanager
    async def opened(self, given: Mapping[str, Any], patiently: Patiently) -> AsyncIterator[Found]:
        yield await asyncio.to_thread(find, paths_of(given, self.spool), within_of(given))


def paths_of(given: Mapping[str, Any], spool: Spool) -> Sequence[Path]:
    """Raises `InputGone`."""
    if "paths" in given:
        return [Path(path) for path in given["paths"]]
    paths = spool.paths(given["spool"])
    if not paths:
        raise InputGone(f"nothing is kept of {given['spool']}")
    return paths


def within_of(given: Mapping[str, Any]) -> Sequence[Path]:
    """The directories that no link may lead out of; none of them: links lead anywhere."""
    return [Path(path) for path in given.get("within", ())]
