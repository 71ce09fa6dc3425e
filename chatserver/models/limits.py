"""The limits that a corpus was measured to need: where they are kept. Pure but for the port."""

from dataclasses import dataclass
from typing import Protocol

from chatserver.models.weights import Limits


@dataclass(frozen=True, slots=True)
class Measured:
    """`limits` of a namespace with so many `passages`; `by` names all that decides what is measured."""

    limits: Limits
    passages: int
    by: str


class LimitsStore(Protocol):
    """One row for each namespace, the last that was put. Both raise `RetrievalError`."""

    async def get(self, namespace: str) -> Measured | None: ...

    async def put(self, namespace: str, measured: Measured) -> None: ...
