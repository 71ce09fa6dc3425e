"""Are documents, vectors and graph where the settings say, do they belong together, and if not, what is to be done?"""

import uuid
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from chatserver.cli.errors import CommandError
from chatserver.embeddings.port import CacheUnavailable
from chatserver.settings import Neo4j, Settings
from chatserver.wiring import Holdings, open_knowledge, reach_cache, reach_graph, reach_vectors
from retrieval.errors import (
    DatabaseMissing,
    DimensionMismatch,
    EmbedderChanged,
    IndexMissing,
    KeyRejected,
    RetrievalError,
    Temporary,
)
from retrieval.types import Space

Sizes: TypeAlias = Mapping[str, int]
"""Passages by namespace."""


async def held(holdings: Holdings) -> Sizes:
    """What the data directory holds."""
    documents = holdings.documents
    return {name: (await documents.count(namespace=name))["passages"] for name in await documents.namespaces()}


async def check_documents(settings: Settings, holdings: Holdings, passages: Sizes) -> str:
    directory = settings.storage.data_dir
    counts = [await holdings.documents.count(namespace=namespace) for namespace in passages]
    if not (documents := sum(count["documents"] for count in counts)):
        return f"{directory} is empty; fill it with `chatserver ingest PATH…`"
    apart = f", {len(passages)} namespaces" if len(passages) > 1 else ""
    return f"{directory} holds {documents} documents in {sum(passages.values())} passages{apart}"


async def check_embedder(holdings: Holdings) -> str:
    embedder = holdings.embedder
    try:
        await embedder.embed([f"Is the pump {uuid.uuid4()} running?"])  # a text that no cache has
    except KeyRejected as error:
        raise CommandError("the server of embeddings does not accept OPENAI_API_KEY", code=error.code) from None
    except DimensionMismatch as error:
        raise CommandError(
            f"{embedder.name} answers with another number of dimensions ({error}); correct "
            "CHATSERVER_EMBEDDING_DIMENSION",
            code=error.code,
        ) from None
    return f"{embedder.name} answers with {embedder.dimension} numbers"


async def check_cache(settings: Settings) -> str:
    try:
        return await reach_cache(settings)
    except CacheUnavailable as error:
        name = "CHATSERVER_CACHE_REDIS_URL" if settings.embeddings.cache_redis_url else "CHATSERVER_REDIS_URL"
        said = f"{error}; does that Redis run, and is {name} right? Until it answers, vectors are kept in a file alone"
        raise CommandError(said, code=error.code) from None


async def check_vectors(settings: Settings, holdings: Holdings, passages: Sizes) -> str:
    space = Space(holdings.embedder.name, holdings.embedder.dimension)
    if settings.pinecone.api_key is None:
        async with open_knowledge(settings.model_copy(update={"neo4j": Neo4j()})):  # raises when they are of another
            return "in the data directory"
    try:
        vectors = await reach_vectors(settings, space, list(passages))
    except RetrievalError as error:
        raise CommandError(_pinecone_advice(settings, space, error), code=error.code) from error
    where = f"Pinecone's index {settings.pinecone.index_name or settings.pinecone.host}"
    _check_complete(settings, where, "vectors", passages, vectors)
    return f"{where} holds {sum(vectors.values())} vectors"


async def check_graph(settings: Settings, holdings: Holdings | None, passages: Sizes) -> str:
    """`holdings` has the data directory's own graph. Raises `CommandError`, and `RetrievalError` for what is none of
    the usual."""
    neo4j = settings.neo4j
    if neo4j.uri is None:
        if holdings is not None:
            _check_own_graph(settings, {name: await holdings.graph.size(namespace=name) for name in passages})
        return "in the data directory"
    try:
        told, linked = await reach_graph(settings, list(passages))
    except KeyRejected as error:
        said = f"{neo4j.uri} does not accept NEO4J_USERNAME ({neo4j.username}) and NEO4J_PASSWORD"
        raise CommandError(said, code=error.code) from None
    except DatabaseMissing as error:
        raise CommandError(
            f"{neo4j.uri} has no database {neo4j.database}; set NEO4J_DATABASE", code=error.code
        ) from None
    except Temporary as error:
        said = f"{neo4j.uri} does not answer; is Neo4j running there, and is NEO4J_URI right?"
        raise CommandError(said, code=error.code) from None
    _check_complete(settings, f"the graph at {neo4j.uri}", "links", passages, linked)
    return f"{told} at {neo4j.uri}, {sum(linked.values())} passages linked"


def _check_complete(settings: Settings, where: str, what: str, passages: Sizes, there: Sizes) -> None:
    """Raises `CommandError` when documents are here whose vectors or links are not there."""
    lacking = [name for name, count in passages.items() if there.get(name, 0) < count]
    if not lacking:
        return
    here, found = (sum(sizes.get(name, 0) for name in lacking) for sizes in (passages, there))
    state = f"lacks {here - found} of them" if found else "is empty"
    if found or len(lacking) < len(passages):
        state = f"lacks the {what} of {here - found} of them{_named(lacking)}"
    raise CommandError(
        f"{settings.storage.data_dir} holds {sum(passages.values())} passages, and {where} {state}; copy the "
        f"{what} with `chatserver migrate`",
        code="index_empty" if not found else "index_incomplete",
    )


def _check_own_graph(settings: Settings, linked: Sizes) -> None:
    lacking = [name for name, count in linked.items() if not count]
    if lacking:
        raise CommandError(
            f"{settings.storage.data_dir} holds documents{_named(lacking)} whose links are not there; were they "
            "ingested into Neo4j? Set NEO4J_URI again, and `chatserver migrate --back` copies graph and records here",
            code="index_empty",
        )


def _named(namespaces: Sequence[str]) -> str:
    """The namespaces in words, but for the one without a name alone."""
    if list(namespaces) == [""]:
        return ""
    some = ", ".join(repr(name) for name in namespaces[:5])
    return f" (namespaces {some}{', …' if len(namespaces) > 5 else ''})"


def _pinecone_advice(settings: Settings, space: Space, error: RetrievalError) -> str:
    name, host = settings.pinecone.index_name, settings.pinecone.host
    made = "a new PINECONE_INDEX_NAME with PINECONE_CREATE=true makes it"
    match error:
        case KeyRejected():
            return "Pinecone does not accept PINECONE_API_KEY; copy it again from Pinecone's console"
        case IndexMissing() if host:
            return f"there is no index at {host}; copy PINECONE_HOST from Pinecone's console, or set the name alone"
        case IndexMissing():
            return f"Pinecone has no index {name}; correct PINECONE_INDEX_NAME, or set PINECONE_CREATE=true to make it"
        case DimensionMismatch():
            return f"{error}; the embedder needs an index of {space.dimension} dimensions ({made})"
        case EmbedderChanged():
            return (
                f"the vectors there are of {error.stored.name}, and the embedder that is set is {space.name}: searches "
                f"would find at random. Set CHATSERVER_EMBEDDER back, or give {space.name} an index of its own "
                f"({made}), and ingest the files again"
            )
        case Temporary():
            return f"{error}; is the address right, and does the network let it through?"
    return str(error)
