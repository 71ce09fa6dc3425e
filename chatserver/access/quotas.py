"""How much one user and one address may take: what doors ask before they give. Pure.

Contract
    Every method takes nothing when it raises `Exceeded`. What may go on again after a while says after how long.
    A store that is away makes nobody wait and shuts nobody out: limits then hold for each process by itself.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Final, Protocol

from chatserver.access.identity import Identity
from chatserver.protocol.codes import ErrorCode


class Exceeded(Exception):
    """A limit is reached. The message is fit for the user."""

    def __init__(self, code: ErrorCode, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s


class Quotas(Protocol):
    def connection(self, identity: Identity) -> AbstractContextManager[None]:
        """A WebSocket's place, as long as the context lasts. Raises `Exceeded`."""

    def place(self) -> AbstractContextManager[None]:
        """A request's place, as long as the context lasts, whoever sends it. Raises `Exceeded`."""

    async def request(self, identity: Identity) -> None:
        """One HTTP request. Raises `Exceeded`."""

    async def question(self, identity: Identity) -> None:
        """One question, and that there is money left for its answer. Raises `Exceeded`."""

    async def ingest(self, identity: Identity, size: int) -> None:
        """So many bytes to be ingested. Raises `Exceeded`."""

    async def spent(self, user: str, input_tokens: int, output_tokens: int) -> None:
        """The model has read and written so much for this user."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """None: no limit. `address` is how many users' worth one address gets; prices are for a million tokens."""

    connections: int | None = None
    questions_per_minute: int | None = None
    requests_per_minute: int | None = None
    ingest_bytes_per_day: int | None = None
    spend_per_day: float | None = None
    input_price: float = 0.0
    output_price: float = 0.0
    address: int = 10


@dataclass(slots=True)
class Places:
    """Places that are taken for a while, counted for each key. An entry that nobody holds is gone."""

    taken: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def held(self, *keys: str) -> Iterator[None]:
        self.taken.update(keys)
        try:
            yield
        finally:
            self.taken.subtract(keys)
            for key in keys:
                if not self.taken[key]:
                    del self.taken[key]


ALL: Final = "all"
"""The key of a place that counts whoever takes it."""


class _Unlimited:
    """For servers of tests and of one person."""

    def connection(self, identity: Identity) -> AbstractContextManager[None]:
        return nullcontext()

    def place(self) -> AbstractContextManager[None]:
        return nullcontext()

    async def request(self, identity: Identity) -> None:
        return

    async def question(self, identity: Identity) -> None:
        return

    async def ingest(self, identity: Identity, size: int) -> None:
        return

    async def spent(self, user: str, input_tokens: int, output_tokens: int) -> None:
        return


UNLIMITED: Final[Quotas] = _Unlimited()
