"""What the stores need of a connection to the server."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias, TypeVar

T = TypeVar("T")
Row: TypeAlias = list[Any]
Run: TypeAlias = Callable[[str, Mapping[str, Any]], Awaitable[list[Row]]]
"""One statement: its text and its parameters to its rows. Raises `retrieval.errors`."""


class Database(Protocol):
    """`graph.neo4j.database` is the one; it is named here so that nobody loads the driver for its sake."""

    async def prepare(self) -> None:
        """Makes the constraints and the indexes that are missing. The first write does it if nobody has."""

    async def describe(self) -> str:
        """Product and version, as the server tells them."""

    async def aclose(self) -> None: ...

    async def read(self, statement: str, parameters: Mapping[str, Any]) -> list[Row]:
        """One statement in one round trip."""

    async def write(self, work: Callable[[Run], Awaitable[T]]) -> T:
        """All that `work` runs, or nothing. It may be called again from its beginning."""
