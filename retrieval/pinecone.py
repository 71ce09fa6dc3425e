"""The `VectorStore` on Pinecone, over langchain-pinecone's async store and the official SDK.

Theory of operation
    For every async call langchain-pinecone enters its one async index and leaves it again, unless somebody has entered
    the store before; so the first of several concurrent calls to end closes the HTTP session under the others, which
    fail with "Session is closed". In `shared` mode the store is therefore entered once, by the first call, and held
    open until `aclose`; were its session ever found closed, the first call to find it so replaces it, under a lock,
    and every call that it failed is made once more. In `isolated` mode each call has a client of its own: nothing is
    shared, nothing kept alive, and each call pays for a connection.

    Calls go to the store's open index with ready-made vectors and ask for ids and scores alone: with its metadata, as
    the store's own search reads it, a hundred hits cost 8 ms of CPU instead of 1.

    Nothing is tried again here: the SDK, which would try a broken connection and a 5xx five times, is told not to, so
    that the guard before this store, which does try again, is the only one. But for what HTTP itself has (RFC 9110,
    9.2.2): a request whose kept connection ends before an answer is sent once more, at once, over another. Every call
    has a deadline, the wait for its turn included.

Where Pinecone keeps less than the port promises: a large upsert is atomic request by request (1,000 vectors or 1 MB),
a write may take a moment to be seen by searches, and which of several ties at the cut are found is not said.
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypeVar

import aiohttp
from langchain_pinecone import PineconeVectorStore
from pinecone import PineconeAsyncio
from pinecone.exceptions import NotFoundException, PineconeApiException, PineconeException
from pinecone.openapi_support.retry_aiohttp import JitterRetry

from retrieval import filters
from retrieval.embedders.checks import check_vectors
from retrieval.errors import DimensionMismatch, EmbedderChanged, IndexMissing, Permanent, RetrievalError, Temporary
from retrieval.pinecone_refusals import refusal
from retrieval.pinecone_rows import (
    LABEL,
    LABELS,
    PASSAGE,
    addressable,
    id_of,
    is_hashed,
    label,
    labelled,
    namespace_of,
    passage_of,
    requests,
    sizes,
)
from retrieval.pinecone_sessions import Isolated, Shared, Work, is_closed_session
from retrieval.ports import Filter
from retrieval.types import Hit, Metadata, Space, Vector

T = TypeVar("T")
Mode: TypeAlias = Literal["shared", "isolated"]

_MAX_TOP_K = 10_000
_MAX_IDS = 1_000
_CREATE_S = 90.0
_REMEDY = "give its vectors an empty index of their own (another PINECONE_INDEX_NAME), and ingest the files again"
_NO_EMBEDDING: Any = object()  # the store wants one; vectors come ready-made

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PineconeAddress:
    """One index, by its `host` or by its `name`, which is looked up once. `create` says where a missing one is made,
    as (cloud, region); None: it is an error. `controller` is another control plane than Pinecone's own."""

    api_key: str = field(repr=False)
    name: str | None = None
    host: str | None = None
    create: tuple[str, str] | None = None
    controller: str | None = None


class PineconeVectors:
    """`VectorStore` on one index of `dimension` numbers; namespaces are Pinecone's. At most `concurrency` searches run
    at once, and as many writes; the others wait their turn. A call that takes longer than `timeout_s` is `Temporary`.
    With the name of an `embedder` an empty index is labelled by it with the first vectors, and every call raises
    `EmbedderChanged` when the label is another's. An index that has vectors and no label is taken as it is.

    Nothing is reached before the first call or `open`. Close it with `aclose`, which lets calls in flight finish."""

    def __init__(
        self,
        address: PineconeAddress,
        dimension: int,
        *,
        embedder: str = "",
        mode: Mode = "shared",
        concurrency: int = 5,
        timeout_s: float = 10.0,
    ) -> None:
        self._place = _Place(address, Space(embedder, dimension))
        self._sessions = (
            Shared(self._place.store, aiohttp.ServerDisconnectedError)
            if mode == "shared"
            else Isolated(self._place.store)
        )
        self._dimension = dimension
        self._timeout_s = timeout_s
        self._searches = asyncio.Semaphore(concurrency)
        self._writes = asyncio.Semaphore(concurrency)
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    async def open(self) -> int:
        """Reaches the index, and makes it when it is missing and should be; gives its number of vectors. Raises
        `KeyRejected`, `IndexMissing`, `DimensionMismatch`, `EmbedderChanged`, `Permanent` for a metric that is not the
        cosine, and `Temporary` when Pinecone can't be reached."""
        return sum((await self._sizes()).values())

    async def counts(self, namespaces: Sequence[str]) -> Mapping[str, int]:
        """How many vectors each of these has; raises what `open` raises."""
        found = await self._sizes()
        return {namespace: found.get(namespace_of(namespace), 0) for namespace in namespaces}

    async def upsert(self, items: Sequence[tuple[str, Vector, Metadata]], *, namespace: str = "") -> None:
        vectors = [vector for _, vector, _ in items]
        check_vectors(vectors, count=len(items), dimension=self._dimension)
        for rows in requests(items):
            await self._upsert(rows, namespace_of(namespace))

    async def delete(self, passages: Sequence[str], *, namespace: str = "") -> None:
        for start in range(0, len(passages), _MAX_IDS):
            ids = [id_of(passage) for passage in passages[start : start + _MAX_IDS]]
            await self._delete(ids, namespace_of(namespace))

    async def search(
        self, vector: Vector, *, top_k: int, namespace: str = "", filter: Filter | None = None
    ) -> list[Hit]:
        check_vectors([vector], count=1, dimension=self._dimension)
        filters.parse(filter or {})
        if top_k <= 0:
            return []
        where = namespace_of(namespace)

        async def work(index: Any) -> list[Hit]:
            found = await index.query(
                vector=vector,
                top_k=min(top_k, _MAX_TOP_K),
                namespace=where,
                filter=dict(filter) if filter else None,
                _check_return_type=False,  # it builds an object for each hit: 2 ms for a hundred
            )
            scores = {str(match["id"]): float(match["score"]) for match in found["matches"]}
            names = await _long_names(index, [id for id in scores if is_hashed(id)], where)
            hits = [Hit(names.get(id) or passage_of(id), score) for id, score in scores.items()]
            return sorted(hits, key=lambda hit: (-hit.score, hit.passage))

        return await self._call(work, self._searches)

    async def fetch(self, passages: Sequence[str], *, namespace: str = "") -> dict[str, Vector]:
        ids = {id_of(passage): passage for passage in passages}
        found: dict[str, Vector] = {}
        for some in addressable(list(ids)):
            found |= await self._fetch(some, namespace_of(namespace))
        return {ids[id]: vector for id, vector in found.items()}

    async def aclose(self) -> None:
        """Refuses new calls, waits for those in flight, each of which has its deadline. Idempotent."""
        self._closed = True
        await self._idle.wait()
        await self._sessions.aclose()

    async def _sizes(self) -> Mapping[str, int]:
        making = self._place.address.create is not None
        stats = await self._call(lambda index: index.describe_index_stats(), self._searches, _CREATE_S if making else 0)
        with _typed_errors(""):
            return sizes(stats)

    async def _upsert(self, rows: list[dict[str, Any]], namespace: str) -> None:
        async def work(index: Any) -> None:
            await self._place.claim(index)
            # The SDK's check of types looks at each number.
            await index.upsert(vectors=rows, namespace=namespace, _check_type=False)

        await self._call(work, self._writes)

    async def _fetch(self, ids: list[str], namespace: str) -> dict[str, Vector]:
        async def work(index: Any) -> dict[str, Vector]:
            rows = (await index.fetch(ids=ids, namespace=namespace))["vectors"]
            return {id: [float(value) for value in row["values"]] for id, row in rows.items()}

        return await self._call(work, self._searches)

    async def _delete(self, ids: list[str], namespace: str) -> None:
        async def work(index: Any) -> None:
            try:
                await index.delete(ids=ids, namespace=namespace)
            except NotFoundException as error:
                if "namespace" not in str(error.body).lower():  # one that holds nothing is not there
                    raise

        await self._call(work, self._writes)

    async def _call(self, work: Work[T], turns: asyncio.Semaphore, at_least_s: float = 0) -> T:
        if self._closed:
            raise Temporary("Pinecone's client is closed")
        self._in_flight += 1
        self._idle.clear()
        timeout_s = max(self._timeout_s, at_least_s)
        try:
            with _typed_errors(f"Pinecone did not answer within {timeout_s:g} s"):
                async with asyncio.timeout(timeout_s), turns:
                    return await self._sessions.run(work)
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()


class _Place:
    """Where the index is: looked up, made when it should be, and checked, once."""

    def __init__(self, address: PineconeAddress, space: Space) -> None:
        self.address = address
        self._space = space
        self._host: str | None = None
        self._unlabelled = False
        self._finding = asyncio.Lock()

    async def store(self) -> PineconeVectorStore:
        """A new one, not entered."""
        async with self._finding:
            if self._host is None:
                host = self.address.host or await self._look_up()
                await self._check(host)
                self._host = host
        return self._store_at(self._host)

    async def claim(self, index: Any) -> None:
        """Labels an index that was found empty, before the first vectors come."""
        if self._unlabelled:
            await index.upsert(vectors=[label(self._space)], namespace=LABELS)
            self._unlabelled = False

    def _store_at(self, host: str) -> PineconeVectorStore:
        return PineconeVectorStore(index=self._client().IndexAsyncio(host=host), embedding=_NO_EMBEDDING)

    def _client(self) -> PineconeAsyncio:
        client = PineconeAsyncio(api_key=self.address.api_key, host=self.address.controller)
        # The SDK has no public name for it; `tests/guards/test_retried_once.py` counts the requests.
        client._openapi_config.retries = JitterRetry(attempts=1)
        return client

    async def _look_up(self) -> str:
        name = self.address.name
        async with self._client() as client:
            try:
                described = await client.describe_index(name)
            except NotFoundException:
                if self.address.create is None:
                    raise IndexMissing(f"Pinecone has no index {name!r}") from None
                described = await self._make(client)
            while not described.status.ready:
                await asyncio.sleep(0.5)
                described = await client.describe_index(name)
        return str(described.host)

    async def _make(self, client: Any) -> Any:
        name, (cloud, region) = self.address.name, self.address.create or ("", "")
        _log.info(
            "creating the Pinecone index %s: %d dimensions, cosine, %s %s", name, self._space.dimension, cloud, region
        )
        spec = {"serverless": {"cloud": cloud, "region": region}}
        try:
            return await client.create_index(
                name=name, dimension=self._space.dimension, metric="cosine", spec=spec, timeout=-1
            )
        except PineconeApiException as error:
            if error.status != 409:  # another process was first
                raise
            return await client.describe_index(name)

    async def _check(self, host: str) -> None:
        async with self._store_at(host) as store:
            index = await store.async_index
            stats = await index.describe_index_stats()
            if stats["dimension"] != self._space.dimension:
                raise DimensionMismatch(f"{self._space.dimension} dimensions given, the index has {stats['dimension']}")
            if stats.get("metric", "cosine") != "cosine":
                raise Permanent(f"the index's metric is {stats['metric']}, not cosine")
            if self._space.name:
                await self._check_label(index, empty=not any(sizes(stats).values()))

    async def _check_label(self, index: Any, *, empty: bool) -> None:
        stored = labelled((await index.fetch(ids=[LABEL], namespace=LABELS))["vectors"])
        self._unlabelled = empty and stored != self._space.name
        if stored not in {"", self._space.name} and not empty:
            raise EmbedderChanged(Space(stored, self._space.dimension), self._space, remedy=_REMEDY)


@contextmanager
def _typed_errors(late: str) -> Iterator[None]:
    try:
        yield
    except RetrievalError:
        raise
    except TimeoutError as error:
        raise Temporary(late) from error
    except PineconeApiException as error:
        raise refusal(error.status or 0, error.body, error.headers or {}) from error
    except (aiohttp.ClientError, OSError) as error:
        at = f" at {error.host}:{error.port}" if isinstance(error, aiohttp.ClientConnectorError) else ""
        raise Temporary(f"Pinecone can't be reached{at}: {type(error).__name__}") from error
    except (PineconeException, LookupError, TypeError, ValueError, AttributeError) as error:
        raise Temporary(f"Pinecone's answer can't be read: {type(error).__name__}") from error
    except RuntimeError as error:
        if not is_closed_session(error):
            raise
        raise Temporary("Pinecone's session was closed") from error


async def _long_names(index: Any, ids: list[str], namespace: str) -> dict[str, str]:
    """The passages that these ids are the hashes of."""
    if not ids:
        return {}
    rows = (await index.fetch(ids=ids, namespace=namespace))["vectors"]
    return {id: str(rows[id]["metadata"][PASSAGE]) for id in ids if id in rows}
