"""Who is there for jobs: servers, whose jobs may wait, and workers, by what each makes of a text. Pure."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import orjson


@dataclass(frozen=True, slots=True)
class Making:
    """What an ingest makes of a text: two that differ make other vectors or metadata."""

    embedder: str
    dimension: int
    extractor: str
    describes: bool

    @property
    def name(self) -> str:
        parts = (self.embedder, self.dimension, self.extractor, self.describes)
        return hashlib.blake2b(orjson.dumps(parts), digest_size=8).hexdigest()

    @property
    def words(self) -> str:
        """For operators."""
        metadata = f"the model {self.extractor}" if self.extractor else "rules" if self.describes else "none"
        return f"embedder {self.embedder} ({self.dimension}), metadata {metadata}"


@dataclass(frozen=True, slots=True)
class Party:
    """A worker (`takes`) or a server of the data directory called `home`. `making` is in words, `makes` names it.
    `waiting`: the server has jobs that nobody has claimed."""

    id: str
    host: str
    home: str
    makes: str
    making: str
    takes: bool
    waiting: bool = False


@dataclass(frozen=True, slots=True)
class Lack:
    """Why nobody takes a server's jobs. `others`: what the workers make that there are, in words."""

    code: str
    message: str
    others: tuple[str, ...] = ()


def lack_of(makes: str, there: Sequence[Party]) -> Lack | None:
    """None when some worker makes this."""
    workers = [party for party in there if party.takes]
    if any(worker.makes == makes for worker in workers):
        return None
    if not workers:
        return Lack("no_worker", "No worker runs; the job waits for one.")
    others = tuple(sorted({worker.making for worker in workers}))
    return Lack("other_settings", "The workers that run have other settings; the job waits for one with ours.", others)


def left_waiting(worker: Party, there: Sequence[Party]) -> list[Party]:
    """The servers whose jobs this worker may not do, and nobody else does."""
    return [party for party in there if party.waiting and party.makes != worker.makes and lack_of(party.makes, there)]


def corpora_apart(home: str, there: Sequence[Party]) -> list[str]:
    """The machines of servers with another data directory: another corpus."""
    return sorted({party.host for party in there if not party.takes and party.home != home})
