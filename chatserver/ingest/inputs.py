"""Where a job's files are, for who runs it: below the paths that it names, or in the spool."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from chatserver.ingest.files import Found, find
from chatserver.ingest.spool import Spool
from chatserver.ingest.watching import Patiently
from retrieval.errors import Permanent, Temporary


class InputGone(Permanent):
    """What the job was given is not in the data directory any more."""

    code = "input_gone"


class OtherStores(Temporary):
    """This process is set to other stores than the servers of its data directory."""

    code = "other_stores"


class Inputs(Protocol):
    def opened(self, given: Mapping[str, Any], patiently: Patiently) -> AbstractAsyncContextManager[Found]:
        """The files, to be read as long as the context lasts. Raises `InputGone`, `RetrievalError`."""


@dataclass(frozen=True, slots=True)
class OwnInputs:
    """Of the data directory that this process has opened. `check` is asked before each job: it raises `OtherStores`."""

    spool: Spool
    check: Callable[[], None] = lambda: None

    @asynccontextmanager
    async def opened(self, given: Mapping[str, Any], patiently: Patiently) -> AsyncIterator[Found]:
        await patiently(partial(asyncio.to_thread, self.check))
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
