"""The stores, and the ways to ask them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass

from chatserver.guards.watch import Counts, Watch
from chatserver.ingest.calibration import Calibration
from chatserver.ingest.enriching import Extractor
from chatserver.ingest.formats.isolated import IsolatedParser
from chatserver.ingest.formats.parsed import Bounds
from chatserver.ingest.ingestion import Ingestion, Settled
from chatserver.ingest.ledger import Ledger
from chatserver.ingest.ledger_sqlite import SqliteLedger
from chatserver.ingest.library import SteppedLibrary
from chatserver.ingest.reembed import reembed
from chatserver.ingest.removal import Removal
from chatserver.ingest.report import Progress
from chatserver.ingest.scaling import Scaling
from chatserver.models.calibration import foreign_name
from chatserver.models.extractive import ExtractiveModel
from chatserver.models.limits import LimitsStore
from chatserver.models.limits_sqlite import SqliteLimits
from chatserver.models.weights import shipped
from chatserver.settings import Settings
from chatserver.tracing.port import UNTRACED, Tracer
from chatserver.tracing.wrapping import traced_leg
from chatserver.wiring.embedder import open_embedder
from chatserver.wiring.extractor import open_extractor
from chatserver.wiring.graph import open_graph
from chatserver.wiring.upstreams import Upstreams
from chatserver.wiring.vectors import open_vectors, unguarded_space
from graph.embedded.library import SqliteLibrary
from graph.embedded.store import SqliteGraphStore
from graph.leg import GraphLeg, GraphLinks
from graph.ports import GraphStore, Library, RecordStore
from retrieval.embedded.database import Database
from retrieval.embedded.documents import SqliteDocumentStore
from retrieval.embedded.keywords import SqliteKeywordIndex
from retrieval.embedded.scales import SqliteScales
from retrieval.embedded.staging import SqliteVectorStaging
from retrieval.embedded.vectors import SqliteVectorStore
from retrieval.embedders.wordllama import WordLlamaEmbedder
from retrieval.errors import Permanent
from retrieval.fusion import GRAPH, KEYWORD, VECTOR
from retrieval.hybrid import Hybrid
from retrieval.legs import count_words, keyword_leg, vector_leg
from retrieval.ports import DocumentStore, Embedder, Leg, VectorStore
from retrieval.ranker import trained
from retrieval.scale import AskScale
from retrieval.types import Space


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What is known: stores and the ways to ask them."""

    documents: DocumentStore
    graph: GraphStore
    records: RecordStore
    hybrid: Hybrid
    ingestion: Ingestion
    embedder: Embedder
    scale: AskScale
    limits: LimitsStore
    upstreams: Upstreams
    ledger: Ledger
    removal: Removal


@dataclass(frozen=True, slots=True)
class Holdings:
    """What the data directory holds itself, whatever else is set; and the embedder."""

    documents: DocumentStore
    graph: GraphStore
    embedder: Embedder


@asynccontextmanager
async def open_holdings(settings: Settings) -> AsyncIterator[Holdings]:
    """Reaches no store on another machine."""
    async with AsyncExitStack() as stack:
        database = await Database.open(settings.storage.data_dir / "knowledge.db")
        stack.push_async_callback(database.aclose)
        embedder = await stack.enter_async_context(open_embedder(settings, Upstreams.guarded(settings, Counts())))
        yield Holdings(await SqliteDocumentStore.open(database), await SqliteGraphStore.open(database), embedder)


@asynccontextmanager
async def open_knowledge(
    settings: Settings, watch: Watch | None = None, tracer: Tracer = UNTRACED
) -> AsyncIterator[Knowledge]:
    """The stores alone, for commands that need no answers. `watch` is told of every call to an upstream, `tracer` of
    the legs of a search. Raises
    `EmbedderChanged` when the vectors are another embedder's."""
    upstreams = Upstreams.guarded(settings, watch or Counts())
    async with AsyncExitStack() as stack:
        database = await Database.open(settings.storage.data_dir / "knowledge.db", bulk=True)
        stack.push_async_callback(database.aclose)
        embedder = await stack.enter_async_context(open_embedder(settings, upstreams))
        space = Space(embedder.name, embedder.dimension)
        documents = await SqliteDocumentStore.open(database)
        keywords = await SqliteKeywordIndex.open(database)
        vectors = await stack.enter_async_context(open_vectors(settings, database, space, upstreams))
        graph, records = await stack.enter_async_context(open_graph(settings, database, upstreams))
        ledger = await SqliteLedger.open(settings.storage.data_dir / "ledger.db")
        stack.push_async_callback(ledger.aclose)
        scaling = await _scaling(embedder, documents, vectors, database)
        legs: dict[str, Leg] = {
            VECTOR: vector_leg(embedder, vectors),
            KEYWORD: keyword_leg(keywords),
            GRAPH: GraphLeg(graph),
        }
        hybrid = Hybrid(
            documents,
            {name: traced_leg(name, leg, tracer) for name, leg in legs.items()},
            links=GraphLinks(graph),
            ranker=trained(embedder.name),
            count_words=count_words(keywords),
            scale=scaling.scale,
            deadline_s=settings.retrieval.deadline_s,
        )
        # Stores that share a file store a document in one transaction.
        together = settings.pinecone.api_key is None and settings.neo4j.uri is None
        library: Library = SteppedLibrary(documents, vectors, graph)
        if together:
            library = await SqliteLibrary.open(database, space)
        limits = await SqliteLimits.open(database)
        parser = IsolatedParser(_bounds(settings))
        stack.push_async_callback(parser.aclose)
        extractor = await stack.enter_async_context(open_extractor(settings, upstreams))
        ingestion = Ingestion(
            documents,
            library,
            embedder,
            graph,
            records,
            extractor=extractor,
            describes=settings.ingest.metadata != "none",
            parser=parser,
            paid=ledger,
            keeps_vectors=not settings.embeddings.is_local,
            batch=settings.ingest.batch,
            calls=settings.ingest.calls,
            hashed_space=_hashed(settings, space, extractor),
            settled=_settling(scaling, _calibration(settings, documents, hybrid, scaling, limits)),
        )
        removal = Removal(library, graph, records)
        yield Knowledge(
            documents,
            graph,
            records,
            hybrid,
            ingestion,
            embedder,
            scaling.scale,
            limits,
            upstreams,
            ledger,
            removal,
        )


def _hashed(settings: Settings, space: Space, extractor: Extractor | None) -> str:
    """Besides its text, what makes a document another one: it is then ingested again."""
    return " ".join(part for part in (unguarded_space(settings, space), extractor.name if extractor else "") if part)


def _bounds(settings: Settings) -> Bounds:
    ingest = settings.ingest
    return Bounds(ingest.file_max_bytes, ingest.file_max_pages, ingest.file_s, ingest.file_memory)


def _calibration(
    settings: Settings, documents: SqliteDocumentStore, hybrid: Hybrid, scaling: Scaling, limits: LimitsStore
) -> Calibration:
    weights = shipped()
    return Calibration(
        hybrid.search,
        documents,
        ExtractiveModel(scaling.embedder, weights, scale=scaling.scale).extract,
        limits,
        weights.limits,
        by=f"{weights.name} {foreign_name()} {scaling.embedder.name} {settings.retrieval.top_k}",
        top_k=settings.retrieval.top_k,
    )


async def _scaling(
    embedder: Embedder, documents: SqliteDocumentStore, vectors: VectorStore, database: Database
) -> Scaling:
    scales = await SqliteScales.open(database)
    return Scaling(embedder, documents, vectors, scales, lambda: aclosing(WordLlamaEmbedder()))


def _settling(scaling: Scaling, calibration: Calibration) -> Settled:
    """The scale first: limits are measured by searches."""

    async def settle(namespace: str) -> None:
        await scaling.settle(namespace)
        await calibration.settle(namespace)

    return settle


async def reembed_knowledge(settings: Settings, progress: Progress) -> int:
    """Makes all vectors anew with the configured embedder; tells how many. See `chatserver.ingest.reembed`.
    Raises `Permanent` when vectors are on Pinecone."""
    if settings.pinecone.api_key is not None:
        raise Permanent(
            "vectors are on Pinecone: unset CHATSERVER_EMBEDDER, or ingest the files again into an empty index"
        )
    async with AsyncExitStack() as stack:
        database = await Database.open(settings.storage.data_dir / "knowledge.db", bulk=True)
        stack.push_async_callback(database.aclose)
        upstreams = Upstreams.guarded(settings, Counts())
        embedder = await stack.enter_async_context(open_embedder(settings, upstreams))
        documents = await SqliteDocumentStore.open(database)
        space = Space(embedder.name, embedder.dimension)
        staging = await SqliteVectorStaging.open(database, space)
        replaced = await reembed(staging, documents, embedder, progress=progress)
        scaling = await _scaling(embedder, documents, await SqliteVectorStore.open(database, space), database)
        for namespace in await documents.namespaces():
            await scaling.settle(namespace)
        return replaced
