"""Puts the system together. The only module that names concrete adapters."""

import os
import socket
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from chatserver.answers.log import AnswerLog
from chatserver.answers.redis import RedisAnswerLog
from chatserver.answers.redis_index import Retention
from chatserver.answers.redis_report import describe
from chatserver.answers.sqlite import SqliteAnswerLog
from chatserver.delivery.manager import ConnectionManager, DeliveryPolicy
from chatserver.generation.generation import Pace
from chatserver.generation.generations import Generations
from chatserver.ingest.ingestion import Ingestion
from chatserver.models.extractive import ExtractiveModel
from chatserver.models.port import Model
from chatserver.models.retrying import RetryingModel
from chatserver.models.scripted import ScriptedModel
from chatserver.pipeline.answering import AnswerPipeline
from chatserver.pipeline.port import Pipeline
from chatserver.pipeline.retrieve import Retriever
from chatserver.protocol.codes import CloseCode
from chatserver.protocol.session import Limits
from chatserver.settings import Settings
from graph.embedded.records import SqliteRecordStore
from graph.embedded.store import SqliteGraphStore
from graph.leg import GraphLeg, GraphLinks
from graph.ports import GraphStore, RecordStore
from graph.records import record_query
from prompts import Prompts
from retrieval.embedded.database import Database
from retrieval.embedded.documents import SqliteDocumentStore
from retrieval.embedded.keywords import SqliteKeywordIndex
from retrieval.embedded.vectors import SqliteVectorStore
from retrieval.embedders.wordllama import WordLlamaEmbedder
from retrieval.fusion import GRAPH, KEYWORD, VECTOR
from retrieval.hybrid import Hybrid
from retrieval.legs import count_words, keyword_leg, vector_leg
from retrieval.ports import DocumentStore, Embedder, Filter
from retrieval.ranker import trained
from retrieval.types import Found, Query

_FLUSH_S = 0.5
"""For sending what the log has, when a drain has used its budget up."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What is known: stores and the ways to ask them."""

    documents: DocumentStore
    graph: GraphStore
    records: RecordStore
    hybrid: Hybrid
    ingestion: Ingestion
    embedder: Embedder


@dataclass(slots=True)
class System:
    """A running server's parts, opened by `open_system`."""

    settings: Settings
    answers: AnswerLog
    generations: Generations
    connections: ConnectionManager
    knowledge: Knowledge
    draining: bool = False

    async def drain(self) -> None:
        """Takes no new question, ends or hands over what runs within the budget, delivers, closes with 1012. A peer
        that does not read has what is left of the budget, so that it can't keep the process."""
        self.draining = True
        ends = time.monotonic() + self.settings.generation.drain_s
        self.connections.drain()
        await self.generations.drain(self.settings.generation.drain_s)
        left_s = max(_FLUSH_S, ends - time.monotonic())
        await self.connections.close_all(
            CloseCode.RESTART, "restart", within_s=min(left_s, self.settings.delivery.stall_s)
        )


@asynccontextmanager
async def open_system(settings: Settings, *, model: Model | None = None) -> AsyncIterator[System]:
    """Everything a server needs, closed in the reverse order; `model` takes the place of the configured one. Raises
    `LogUnavailable`, `RetrievalError`."""
    async with AsyncExitStack() as stack:
        knowledge = await stack.enter_async_context(open_knowledge(settings))
        answers = await open_answers(settings)
        stack.push_async_callback(answers.aclose)
        pipeline = await stack.enter_async_context(open_pipeline(settings, knowledge, model))
        owner = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        generations = await stack.enter_async_context(
            Generations(
                answers,
                pipeline,
                pace=Pace(lease_s=settings.generation.lease_s),
                owner=owner,
                history_turns=settings.generation.history_turns,
            )
        )
        delivery = settings.delivery
        policy = DeliveryPolicy(
            Limits(delivery.max_message_bytes, delivery.max_question_chars),
            server=owner.rpartition("-")[2],  # tells processes apart, and nothing of the machine
            heartbeat_s=delivery.heartbeat_s,
            stall_s=delivery.stall_s,
        )
        connections = await stack.enter_async_context(ConnectionManager(answers, generations, policy))
        system = System(settings, answers, generations, connections, knowledge)
        yield system
        if not system.draining:  # stopped without a signal: hand over at once rather than let leases expire
            await generations.drain(0)


async def open_answers(settings: Settings) -> AnswerLog:
    """The answer log alone: on Redis when one is set, else in the data directory. Raises `LogUnavailable`."""
    url = settings.redis.url
    if url is not None:
        retention = Retention(settings.redis.keep_days * 86_400, settings.redis.keep_answers)
        return await RedisAnswerLog.open(url.get_secret_value(), retention=retention)
    return await SqliteAnswerLog.open(settings.storage.data_dir / "answers.db")


async def reach_answers(settings: Settings) -> str:
    """Where answers are kept, in a line for a person. Raises `LogError`."""
    url = settings.redis.url
    return "in the data directory" if url is None else await describe(url.get_secret_value())


@asynccontextmanager
async def open_knowledge(settings: Settings) -> AsyncIterator[Knowledge]:
    """The stores alone, for commands that need no answers."""
    database = await Database.open(settings.storage.data_dir / "knowledge.db")
    embedder = WordLlamaEmbedder()
    try:
        documents = await SqliteDocumentStore.open(database)
        keywords = await SqliteKeywordIndex.open(database)
        vectors = await SqliteVectorStore.open(database)
        graph = await SqliteGraphStore.open(database)
        records = await SqliteRecordStore.open(database)
        hybrid = Hybrid(
            documents,
            {VECTOR: vector_leg(embedder, vectors), KEYWORD: keyword_leg(keywords), GRAPH: GraphLeg(graph)},
            links=GraphLinks(graph),
            ranker=trained(),
            count_words=count_words(keywords),
            deadline_s=settings.retrieval.deadline_s,
        )
        ingestion = Ingestion(documents, vectors, embedder, graph, records)
        yield Knowledge(documents, graph, records, hybrid, ingestion, embedder)
    finally:
        await embedder.aclose()
        await database.aclose()


@asynccontextmanager
async def open_pipeline(
    settings: Settings, knowledge: Knowledge, model: Model | None = None
) -> AsyncIterator[Pipeline]:
    """From a question to its entries, with this model or the configured one."""
    top_k = settings.retrieval.top_k

    async def search(text: str, *, namespace: str, filter: Filter | None) -> Found:
        return await knowledge.hybrid.search(Query(text, namespace, filter, top_k))

    retriever = Retriever(
        search,
        facts=knowledge.graph,
        records=knowledge.records,
        plan=record_query,
        deadline_s=2 * settings.retrieval.deadline_s,  # the hybrid search spends up to one on its legs, one on reading
    )
    model = RetryingModel(model or _model(settings, knowledge.embedder))
    try:
        yield AnswerPipeline(
            retriever, model, Prompts(), knowledge.documents, timeout_s=settings.generation.answer_timeout_s
        )
    finally:
        await model.aclose()


def _model(settings: Settings, embedder: Embedder) -> Model:
    match settings.model.kind:
        case "extractive":
            return ExtractiveModel(embedder)
        case "scripted":
            return ScriptedModel()
        case "openai":
            from chatserver.models.openai_compatible import OpenAICompatibleModel  # the SDK takes a second to import

            key, url = settings.model.api_key, settings.model.base_url
            return OpenAICompatibleModel(
                settings.model.effective_name,
                api_key=key.get_secret_value() if key else None,
                base_url=str(url) if url else None,
            )
