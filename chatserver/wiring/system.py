"""A running server, put together."""

import asyncio
import os
import socket
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from chatserver.access.quotas import Quotas
from chatserver.answers.log import AnswerLog
from chatserver.delivery.manager import ConnectionManager, DeliveryPolicy
from chatserver.generation.generation import Pace
from chatserver.generation.generations import Generations
from chatserver.guards.breaker import State
from chatserver.guards.guard import Guard
from chatserver.ingest.jobs import Jobs
from chatserver.metrics.metrics import Metrics
from chatserver.metrics.sampling import Sampler, sampled
from chatserver.models.port import Model
from chatserver.protocol.codes import CloseCode
from chatserver.protocol.session import Limits
from chatserver.settings import Settings
from chatserver.tracing.port import Tracer
from chatserver.wiring.access import open_quotas, own_limit
from chatserver.wiring.answers import open_answers
from chatserver.wiring.elsewhere import looking
from chatserver.wiring.home import record_stores
from chatserver.wiring.jobs import feeding, jobs_of
from chatserver.wiring.knowledge import Knowledge, open_knowledge
from chatserver.wiring.pipeline import open_pipeline
from chatserver.wiring.threads import start_threads
from chatserver.wiring.tracing import open_tracer

_FLUSH_S = 0.5
"""For sending what the log has, when a drain has used its budget up."""


@dataclass(slots=True)
class System:
    """A running server's parts, opened by `open_system`."""

    settings: Settings
    answers: AnswerLog
    generations: Generations
    connections: ConnectionManager
    knowledge: Knowledge
    quotas: Quotas
    jobs: Jobs
    work: asyncio.Event
    """Set when a job has come, for who runs or offers them."""
    has_work: Callable[[], Awaitable[bool]]
    """Whether there is something for the worker beside this server. Raises `LogUnavailable`."""
    metrics: Metrics
    sampler: Sampler
    tracer: Tracer
    draining: bool = False

    async def drain(self) -> None:
        """Takes no new question, ends or hands over what runs within the budget, delivers, closes with 1012. A peer
        that does not read has what is left of the budget, so that it can't keep the process."""
        self.draining = True
        self.metrics.draining()
        ends = time.monotonic() + self.settings.generation.drain_s
        self.connections.drain()
        await self.generations.drain(self.settings.generation.drain_s)
        left_s = max(_FLUSH_S, ends - time.monotonic())
        await self.connections.close_all(
            CloseCode.RESTART, "restart", within_s=min(left_s, self.settings.delivery.stall_s)
        )

    def dependencies(self, log_is_up: bool, log_ms: float) -> dict[str, dict[str, Any]]:
        """What an operator is told of each part that the answers rest on. Nothing is called for it but the log, by
        who asks: of an upstream its breaker says whether it has answered of late."""
        upstreams, settings = self.knowledge.upstreams, self.settings
        log = {"kind": "redis" if settings.redis.url else "sqlite", "up": log_is_up, "ms": log_ms}
        remote = {
            "model": (upstreams.model, settings.model.kind == "openai", settings.model.kind),
            "decisions": (
                upstreams.decisions,
                settings.model.kind == "openai" and settings.model.decide_s > 0,
                "rules",
            ),
            "embeddings": (upstreams.embeddings, not settings.embeddings.is_local, settings.embeddings.name),
            "vectors": (upstreams.vectors, settings.pinecone.api_key is not None, "embedded"),
            "graph": (upstreams.graph, settings.neo4j.uri is not None, "embedded"),
        }
        kinds = {"vectors": "pinecone", "graph": "neo4j", "embeddings": "openai"}
        return {"log": log} | {
            name: _upstream(guard, kinds.get(name, "openai")) if is_remote else {"kind": here, "up": True}
            for name, (guard, is_remote, here) in remote.items()
        }


def _upstream(guard: Guard, kind: str) -> dict[str, Any]:
    return {"kind": kind, "up": guard.state is not State.OPEN, "breaker": str(guard.state)}


@asynccontextmanager
async def open_system(settings: Settings, *, model: Model | None = None) -> AsyncIterator[System]:
    """Everything a server needs, closed in the reverse order; `model` takes the place of the configured one. Raises
    `LogUnavailable`, `RetrievalError`."""
    await start_threads()
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        owner = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        tracer = await stack.enter_async_context(open_tracer(settings, owner))
        knowledge = await stack.enter_async_context(open_knowledge(settings, metrics.upstreams, tracer))
        await asyncio.to_thread(record_stores, settings)
        answers = await open_answers(settings)
        stack.push_async_callback(answers.aclose)
        quotas = await stack.enter_async_context(open_quotas(settings))
        pipeline = await stack.enter_async_context(
            open_pipeline(settings, knowledge, model, quotas=quotas, tracer=tracer)
        )
        generations = await stack.enter_async_context(
            Generations(
                answers,
                pipeline,
                pace=Pace(lease_s=settings.generation.lease_s),
                owner=owner,
                max_running=settings.generation.max_answers,
                max_each=own_limit(settings, settings.quotas.user_answers, "user_answers"),
                history_turns=settings.generation.history_turns,
                watch=metrics.answers,
                tracer=tracer,
            )
        )
        delivery = settings.delivery
        policy = DeliveryPolicy(
            Limits(delivery.max_message_bytes, delivery.max_question_chars),
            server=owner.rpartition("-")[2],  # tells processes apart, and nothing of the machine
            heartbeat_s=delivery.heartbeat_s,
            stall_s=delivery.stall_s,
            provider_keys=settings.model.allow_provider_keys,
        )
        connections = await stack.enter_async_context(
            ConnectionManager(answers, generations, policy, quotas=quotas, watch=metrics.delivery, tracer=tracer)
        )
        work = asyncio.Event()
        lack = await stack.enter_async_context(feeding(settings, answers, knowledge, work))
        jobs = jobs_of(settings, answers, knowledge, work.set, lack)
        has_work = await stack.enter_async_context(looking(settings, answers))
        sampler = Sampler(
            metrics,
            answers,
            answers_running=partial(len, generations),
            connections=partial(len, connections),
        )
        await stack.enter_async_context(sampled(sampler))
        system = System(
            settings,
            answers,
            generations,
            connections,
            knowledge,
            quotas,
            jobs,
            work,
            has_work,
            metrics,
            sampler,
            tracer,
        )
        yield system
        if not system.draining:  # stopped without a signal: hand over at once rather than let leases expire
            await generations.drain(0)
