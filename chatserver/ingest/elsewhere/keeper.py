"""Does at a data directory what workers on other machines ask of it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from chatserver.embeddings.packing import unpack
from chatserver.ingest.elsewhere import errands
from chatserver.ingest.elsewhere.errands import BLOCK, Errand, Fault, Given, Listing, Refused
from chatserver.ingest.files import find, is_within
from chatserver.ingest.ingestion import Ingestion
from chatserver.ingest.inputs import InputGone, paths_of, within_of
from chatserver.ingest.ledger import Ledger
from chatserver.ingest.spool import Spool
from graph.types import Whole
from retrieval.types import Vector

Asked = TypeVar("Asked")
Told = TypeVar("Told")
_Work = Callable[[bytes], Awaitable[bytes]]


class Keeper:
    """Over the stores that `ingestion` writes into. Files it reads for a job are those below what the job was given.
    `check` is asked before each errand: it raises `OtherStores`."""

    def __init__(
        self, ingestion: Ingestion, ledger: Ledger, spool: Spool, *, check: Callable[[], None] = lambda: None
    ) -> None:
        self._check = check
        self._to = ingestion
        self._ledger = ledger
        self._spool = spool
        to, graph = ingestion, ingestion.graph
        self._works: Mapping[str, _Work] = dict(
            [
                _does(errands.HASHES, lambda asked: _hashes(to, *asked)),
                _does(errands.STORE, lambda asked: _store(to, *asked)),
                _does(errands.REMOVE, lambda asked: to.library.remove(asked[0], namespace=asked[1])),
                _does(errands.LINK, lambda asked: graph.link(asked[0], namespace=asked[1])),
                _does(errands.LINK_RECORDS, lambda asked: graph.link_records(asked[0], namespace=asked[1])),
                _does(errands.NAMES, lambda asked: graph.names(namespace=asked)),
                _does(errands.UNREAD, lambda asked: graph.unread(limit=asked[0], namespace=asked[1])),
                _does(errands.RELINK, lambda asked: graph.relink(asked[0], asked[1], namespace=asked[2])),
                _does(errands.UNSETTLE, lambda asked: graph.unsettle(asked[0], namespace=asked[1])),
                _does(errands.PUT_RECORDS, lambda asked: to.records.put(asked[0], namespace=asked[1])),
                _does(errands.SETTLE, self._settle),
                _does(errands.LOAD, lambda asked: _load(ledger, asked)),
                _does(errands.SAVE, ledger.save),
                _does(errands.DISCARD, ledger.discard),
                _does(errands.NOTE, lambda asked: ledger.seen(asked[0]).note(asked[1])),
                _does(errands.END, ledger.end),
                _does(errands.SCRUB, lambda asked: ledger.scrub()),
                _does(errands.MEASURED, lambda asked: ledger.measured(*asked)),
                _does(errands.SPEED, lambda asked: ledger.bytes_per_s()),
                _does(errands.LIST, lambda asked: asyncio.to_thread(self._list, asked)),
                _does(errands.READ, lambda asked: asyncio.to_thread(self._read, *asked)),
            ]
        )

    async def do(self, errand: str, body: bytes) -> bytes:
        """Raises `RetrievalError`."""
        work = self._works.get(errand)
        if work is None:
            raise Refused("invalid_errand", f"nobody here knows the errand {errand!r}")
        await asyncio.to_thread(self._check)
        return await work(body)

    async def _settle(self, namespace: str) -> None:
        if self._to.settled is not None:
            await self._to.settled(namespace)

    def _list(self, given: Mapping[str, Any]) -> Listing:
        files: list[Given] = []
        skipped: list[str] = []
        faults: list[Fault] = []
        for root, path in enumerate(paths_of(given, self._spool)):
            found = find([path], within_of(given))
            files += [Given(root, source.name, source.size) for source in found.sources]
            skipped += found.skipped
            faults += [Fault(problem.code, problem.message, problem.file) for problem in found.problems]
        return Listing(tuple(files), tuple(skipped), tuple(faults))

    def _read(self, given: Mapping[str, Any], root: int, name: str, at: int) -> bytes:
        try:
            path, within = _below(paths_of(given, self._spool)[root], name), within_of(given)
            if within and not is_within(path, within):
                raise ValueError(name)
            with path.open("rb") as file:
                file.seek(at)
                return file.read(BLOCK)
        except (OSError, ValueError, IndexError) as error:
            raise InputGone(f"{name} can't be read any more") from error


def _does(errand: Errand[Asked, Told], work: Callable[[Asked], Awaitable[Told]]) -> tuple[str, _Work]:
    async def do(body: bytes) -> bytes:
        return errand.told.dump_json(await work(errand.read(body)))

    return errand.name, do


async def _hashes(to: Ingestion, documents: Sequence[str], namespace: str) -> dict[str, str]:
    return dict(await to.documents.content_hashes(documents, namespace=namespace))


async def _load(ledger: Ledger, keys: Sequence[str]) -> dict[str, bytes]:
    return dict(await ledger.load(keys))


async def _store(to: Ingestion, bare: Sequence[Whole], vectors: Sequence[Sequence[bytes]], namespace: str) -> None:
    wholes = [replace(whole, vectors=_unpacked(packed)) for whole, packed in zip(bare, vectors, strict=True)]
    await to.library.store(wholes, namespace=namespace)


def _unpacked(packed: Sequence[bytes]) -> tuple[Vector, ...]:
    vectors = [unpack(one) for one in packed]
    sound = tuple(vector for vector in vectors if vector is not None)
    if len(sound) != len(vectors):
        raise Refused("invalid_errand", "a vector is damaged")
    return sound


def _below(root: Path, name: str) -> Path:
    """Raises ValueError for a name that leads out of the root."""
    below = PurePosixPath(name)
    if below.is_absolute() or ".." in below.parts:
        raise ValueError(name)
    return root / below if root.is_dir() else root
