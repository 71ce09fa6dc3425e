"""Connections to a Neo4j server (the only module that imports `neo4j`), and its errors as those of the ports.

Theory of operation
    A driver belongs to the event loop that it was first used on: its sockets and locks are that loop's. So there is
    one for each loop, made when the loop asks for it, and closed on the loop it lives on.

    A read is one auto-commit statement, one round trip; a write is one transaction. Nothing is tried again here: the
    driver's own retries are not used, so that the guard before the stores, which does try again, is the only one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Self, TypeVar
from weakref import WeakKeyDictionary

from neo4j import READ_ACCESS, WRITE_ACCESS, AsyncDriver, AsyncGraphDatabase, AsyncSession
from neo4j.exceptions import AuthError, ConnectionPoolError, DriverError, Neo4jError

from graph.neo4j.port import Row, Run
from graph.neo4j.queries import statements
from retrieval.errors import DatabaseMissing, InvalidText, KeyRejected, Permanent, Temporary

T = TypeVar("T")

CONNECT_S: Final = 3.0
_CONNECTIONS = 50
_SECURITY = "Neo.ClientError.Security."
_NO_DATABASE = "Neo.ClientError.Database.DatabaseNotFound"
_IDLE_S = 30.0  # a connection that was idle for longer is tried before it is used: a firewall may have forgotten it


class Neo4jDatabase:
    """A `graph.neo4j.port.Database`. `uri` is `bolt://…` or `neo4j://…`.

    Nothing is reached before the first read or write; the constraints and indexes are made by `prepare`, at the
    latest before the first write. Raises `retrieval.errors`: `Temporary` when the server is away or busy, `Permanent`
    when it refuses."""

    def __init__(
        self, uri: str, *, username: str = "neo4j", password: str | None = None, database: str = "neo4j"
    ) -> None:
        self._uri = uri
        self._auth = None if password is None else (username, password)
        self._database = database
        self._drivers: dict[asyncio.AbstractEventLoop, AsyncDriver] = {}
        # Writers of one process take turns here: where a dozen wait for one lock of the server's, it sees deadlocks
        # that there are not, and sends some of them home.
        self._writing: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
        self._prepared = False

    @classmethod
    async def open(
        cls, uri: str, *, username: str = "neo4j", password: str | None = None, database: str = "neo4j"
    ) -> Self:
        """Reached and prepared."""
        opened = cls(uri, username=username, password=password, database=database)
        try:
            await opened.prepare()
        except BaseException:
            await opened.aclose()
            raise
        return opened

    async def aclose(self) -> None:
        """Closes every driver on the loop that it lives on. Idempotent; a later use opens anew."""
        while self._drivers:
            loop, driver = self._drivers.popitem()
            if loop is asyncio.get_running_loop():
                await driver.close()
            elif loop.is_running():
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(driver.close(), loop))
            # sockets of a loop that has ended are closed already

    async def prepare(self) -> None:
        for statement in (*statements("schema"), "CALL db.awaitIndexes(60)"):
            await self._transact(_only(statement))
        self._prepared = True

    async def describe(self) -> str:
        with typed_errors():
            async with self._session() as session:
                result = await session.run("CALL dbms.components() YIELD name, versions, edition RETURN *")
                row = await result.single(strict=True)
        return f"{row['name']} {row['versions'][0]} {row['edition']}"

    async def read(self, statement: str, parameters: Mapping[str, Any]) -> list[Row]:
        with typed_errors():
            async with self._session(READ_ACCESS) as session:
                result = await session.run(statement, dict(parameters))
                return await result.values()

    async def write(self, work: Callable[[Run], Awaitable[T]]) -> T:
        if not self._prepared:
            await self.prepare()
        async with self._writing.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            return await self._transact(work)

    async def _transact(self, work: Callable[[Run], Awaitable[T]]) -> T:
        with typed_errors():
            async with self._session() as session, await session.begin_transaction() as transaction:

                async def run(statement: str, parameters: Mapping[str, Any]) -> list[Row]:
                    result = await transaction.run(statement, dict(parameters))
                    return await result.values()

                done = await work(run)
                await transaction.commit()
                return done

    def _session(self, access: str = WRITE_ACCESS) -> AsyncSession:
        driver = self._driver()
        return driver.session(
            database=self._database,
            default_access_mode=access,
            fetch_size=-1,  # what is asked for is bounded by the statement
            bookmark_manager=driver.execute_query_bookmark_manager,  # in a cluster too, a read sees what was written
        )

    def _driver(self) -> AsyncDriver:
        loop = asyncio.get_running_loop()
        if loop not in self._drivers:
            self._drivers[loop] = AsyncGraphDatabase.driver(
                self._uri,
                auth=self._auth,
                connection_timeout=CONNECT_S,
                connection_acquisition_timeout=CONNECT_S,
                max_connection_pool_size=_CONNECTIONS,
                liveness_check_timeout=_IDLE_S,
                notifications_min_severity="OFF",
                telemetry_disabled=True,
                user_agent="chatserver",  # by which its operator knows our connections
            )
        return self._drivers[loop]


def _only(statement: str) -> Callable[[Run], Awaitable[list[Row]]]:
    return lambda run: run(statement, {})


@contextmanager
def typed_errors() -> Iterator[None]:
    try:
        yield
    except (Neo4jError, DriverError) as error:
        code = getattr(error, "code", None) or ""
        if isinstance(error, AuthError) or code.startswith(_SECURITY):
            raise KeyRejected(f"neo4j: {error}") from error
        if code == _NO_DATABASE:
            raise DatabaseMissing(f"neo4j: {error}") from error
        failed = Temporary if error.is_retryable() or isinstance(error, ConnectionPoolError) else Permanent
        raise failed(f"neo4j: {error}") from error
    except UnicodeEncodeError as error:
        raise InvalidText("a text is not valid Unicode") from error
    except (OSError, TimeoutError) as error:
        raise Temporary(f"neo4j: {type(error).__name__}") from error
