"""The stores and the ledger of a data directory, for a worker that can't open them: each call is an errand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from chatserver.embeddings.packing import pack
from chatserver.ingest.elsewhere import errands
from chatserver.ingest.elsewhere.errands import Errand, Errands
from chatserver.ingest.ledger import Note
from graph.types import DocumentLinks, PassageLinks, Record, Unread, Whole

Asked = TypeVar("Asked")
Told = TypeVar("Told")


@dataclass(frozen=True, slots=True)
class Far:
    """The way to the directory called `home`."""

    errands: Errands
    home: str

    async def ask(self, errand: Errand[Asked, Told], asked: Asked) -> Told:
        """Raises `RetrievalError`."""
        return errand.told.validate_json(await self.errands.ask(self.home, errand.name, errand.written(asked)))


@dataclass(frozen=True, slots=True)
class FarDocuments:
    """Of a `DocumentStore`, what an ingest asks."""

    far: Far

    async def content_hashes(self, documents: Sequence[str], *, namespace: str = "") -> Mapping[str, str]:
        return await self.far.ask(errands.HASHES, (list(documents), namespace))


@dataclass(frozen=True, slots=True)
class FarLibrary:
    """A `Library`: what the directory has is what stores there, in one transaction or in steps."""

    far: Far

    async def store(self, wholes: Sequence[Whole], *, namespace: str = "") -> None:
        bare = [replace(whole, vectors=()) for whole in wholes]
        vectors = [[pack(vector) for vector in whole.vectors] for whole in wholes]
        await self.far.ask(errands.STORE, (bare, vectors, namespace))

    async def remove(self, documents: Sequence[str], *, namespace: str = "") -> list[str]:
        return await self.far.ask(errands.REMOVE, (list(documents), namespace))


@dataclass(frozen=True, slots=True)
class FarGraph:
    """Of a `GraphIndex`, what links documents."""

    far: Far

    async def link(self, documents: Sequence[DocumentLinks], *, namespace: str = "") -> None:
        await self.far.ask(errands.LINK, (list(documents), namespace))

    async def link_records(self, records: Sequence[Record], *, namespace: str = "") -> None:
        await self.far.ask(errands.LINK_RECORDS, (list(records), namespace))

    async def names(self, *, namespace: str = "") -> list[str]:
        return await self.far.ask(errands.NAMES, namespace)

    async def unread(self, *, limit: int, namespace: str = "") -> tuple[list[str], list[Unread]]:
        return await self.far.ask(errands.UNREAD, (limit, namespace))

    async def relink(self, passages: Sequence[PassageLinks], settled: Sequence[str], *, namespace: str = "") -> None:
        await self.far.ask(errands.RELINK, (list(passages), list(settled), namespace))

    async def unsettle(self, names: Sequence[str], *, namespace: str = "") -> None:
        await self.far.ask(errands.UNSETTLE, (list(names), namespace))


@dataclass(frozen=True, slots=True)
class FarRecords:
    """Of a `RecordStore`, what an ingest does."""

    far: Far

    async def put(self, records: Sequence[Record], *, namespace: str = "") -> None:
        await self.far.ask(errands.PUT_RECORDS, (list(records), namespace))


@dataclass(frozen=True, slots=True)
class FarLedger:
    """A `Ledger`: the directory's own, so that whoever goes on with a job, wherever, finds what was paid and seen."""

    far: Far

    async def load(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        return await self.far.ask(errands.LOAD, list(keys))

    async def save(self, results: Mapping[str, bytes]) -> None:
        await self.far.ask(errands.SAVE, dict(results))

    async def discard(self, keys: Sequence[str]) -> None:
        await self.far.ask(errands.DISCARD, list(keys))

    def seen(self, job: str) -> "_FarSeen":
        return _FarSeen(self.far, job)

    async def end(self, job: str) -> None:
        await self.far.ask(errands.END, job)

    async def scrub(self) -> None:
        await self.far.ask(errands.SCRUB, None)

    async def measured(self, size: int, seconds: float) -> None:
        await self.far.ask(errands.MEASURED, (size, seconds))

    async def bytes_per_s(self) -> float | None:
        return await self.far.ask(errands.SPEED, None)


@dataclass(frozen=True, slots=True)
class _FarSeen:
    far: Far
    job: str

    async def note(self, notes: Sequence[Note]) -> list[Note]:
        return await self.far.ask(errands.NOTE, (self.job, list(notes)))
