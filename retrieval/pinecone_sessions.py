"""Who holds langchain-pinecone's store open: one for all calls, or each call its own. `retrieval.pinecone` says why."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias, TypeVar

T = TypeVar("T")
Work: TypeAlias = Callable[[Any], Awaitable[T]]
"""What is done with the SDK's open async index."""

_log = logging.getLogger(__name__)


class Store(Protocol):
    """As much of langchain-pinecone's as is needed here. Entered, its index stays open until `aclose`."""

    @property
    def async_index(self) -> Awaitable[Any]: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def aclose(self) -> None: ...


Make: TypeAlias = Callable[[], Awaitable[Store]]
"""A new store, not entered."""


class Shared:
    """One entered store for all. `hung_up`: the error of a connection that ends before an answer."""

    def __init__(self, make: Make, hung_up: type[Exception]) -> None:
        self._make = make
        self._hung_up = hung_up
        self._store: Store | None = None
        self._changing = asyncio.Lock()

    async def run(self, work: Work[T]) -> T:
        store = await self._opened()
        try:
            return await self._sent(store, work)
        except RuntimeError as error:
            if not is_closed_session(error):
                raise
        return await self._sent(await self._replaced(store), work)

    async def aclose(self) -> None:
        async with self._changing:
            if self._store is not None:
                await self._store.aclose()
                self._store = None

    async def _sent(self, store: Store, work: Work[T]) -> T:
        try:
            return await work(await store.async_index)
        except self._hung_up:
            return await work(await store.async_index)

    async def _opened(self) -> Store:
        async with self._changing:
            if self._store is None:
                store = await self._make()
                self._store = await store.__aenter__()
            return self._store

    async def _replaced(self, closed: Store) -> Store:
        async with self._changing:
            if self._store is closed:  # else another call was first
                _log.warning("Pinecone's session was found closed: opened another")
                self._store = None
                await closed.aclose()
        return await self._opened()


class Isolated:
    """A store for each call."""

    def __init__(self, make: Make) -> None:
        self._make = make

    async def run(self, work: Work[T]) -> T:
        async with await self._make() as store:
            return await work(await store.async_index)

    async def aclose(self) -> None:
        """Nothing is held."""


def is_closed_session(error: RuntimeError) -> bool:
    return "session is closed" in str(error).lower()  # aiohttp has no type for it
