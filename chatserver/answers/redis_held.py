"""What this process has appended to an answer that it owns, kept so that a log that went back can be told so. Pure.

Each batch extends a chain: a hash over the chain before it and its bytes. The log keeps the chain of its end beside the
head, so that head and chain together say whether the log is what the owner has appended, or a beginning of it.
"""

import hashlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from chatserver.answers.log import Batch, Claim
from chatserver.answers.meta import AnswerMeta
from chatserver.answers.states import AnswerState

START: Final = "0"
"""The chain of an empty log."""
KEEP_BYTES: Final = 1 << 20
"""Of an answer that is longer, only its newest batches are kept."""


def chain_after(chain: str, blob: bytes) -> str:
    """64 bits: against accidents, not against an enemy."""
    return hashlib.blake2b(chain.encode() + b"\n" + blob, digest_size=8).hexdigest()


class Kept(NamedTuple):  # a frozen dataclass takes a microsecond more to make, and this is made for each batch
    """A batch, the head before and after it, and the chain around it. Its entries are in the blob alone: what is kept
    of each is one object for the garbage collector, not four."""

    id: str
    first: int
    head: int
    seal: AnswerState | None
    blob: bytes
    before: str
    after: str


def _kept(batch: Batch, blob: bytes, before: str, after: str) -> Kept:
    head = batch.expected_head + len(batch.entries)
    return Kept(batch.id, batch.expected_head, head, batch.seal, blob, before, after)


def unchained(batch: Batch, blob: bytes) -> Kept:
    """Of a writer that does not know what is before it."""
    return _kept(batch, blob, "", "")


@dataclass(slots=True)
class Held:
    """An answer under this process's claim. `meta` is as the claim gave it."""

    claim: Claim
    meta: AnswerMeta
    lease_s: float
    head: int
    chain: str
    sealed_at: float | None = None
    """By the monotonic clock: it is kept for a while, because its end may be lost with Redis's last second."""
    batches: deque[Kept] = field(default_factory=deque)
    size: int = 0

    def extended(self, batch: Batch, blob: bytes) -> Kept:
        """The batch as it would stand at the end; with an unknown chain when it does not fit there."""
        if batch.expected_head != self.head:
            return unchained(batch, blob)
        return _kept(batch, blob, self.chain, chain_after(self.chain, blob))

    def note(self, appended: Kept) -> None:
        """It was appended."""
        if appended.first != self.head:
            return
        self.head, self.chain = appended.head, appended.after
        self.batches.append(appended)
        self.size += len(appended.blob)
        while self.size > KEEP_BYTES and len(self.batches) > 1:
            self.size -= len(self.batches.popleft().blob)

    def after(self, head: int, chain: str) -> Iterator[Kept] | None:
        """What is to be appended to a log with this end so that it is whole again; None when it can't be made so."""
        if (head, chain) == (self.head, self.chain):
            return iter(())
        batches = list(self.batches)
        for n, each in enumerate(batches):
            if (each.first, each.before) == (head, chain):
                return iter(batches[n:])
        return None
