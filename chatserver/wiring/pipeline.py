"""From a question to its entries, with the configured model."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chatserver.access.quotas import UNLIMITED, Quotas
from chatserver.guards.metered import MeteredForms, MeteredModel
from chatserver.guards.model import GuardedForms, GuardedModel
from chatserver.models.extractive import ExtractiveModel
from chatserver.models.port import FormModel, Model
from chatserver.models.scripted import ScriptedModel
from chatserver.pipeline.advice import Advisor
from chatserver.pipeline.answering import AnswerPipeline
from chatserver.pipeline.budget import Budget
from chatserver.pipeline.grounding import Grounding
from chatserver.pipeline.retrieve import Retriever
from chatserver.settings import Settings
from chatserver.tracing.port import UNTRACED, Tracer
from chatserver.tracing.wrapping import TracedModel
from chatserver.wiring.knowledge import Knowledge
from graph.planning.plan import record_plan
from prompts import Prompts
from retrieval.embedders.tokens import TokenCounter
from retrieval.ports import Filter
from retrieval.types import Found, Query


@asynccontextmanager
async def open_pipeline(
    settings: Settings,
    knowledge: Knowledge,
    model: Model | None = None,
    *,
    quotas: Quotas = UNLIMITED,
    tracer: Tracer = UNTRACED,
) -> AsyncIterator[AnswerPipeline]:
    """From a question to its entries, with this model or the configured one."""
    top_k = settings.retrieval.top_k

    async def search(text: str, *, namespace: str, filter: Filter | None) -> Found:
        return await knowledge.hybrid.search(Query(text, namespace, filter, top_k))

    retriever = Retriever(
        search,
        facts=knowledge.graph,
        records=knowledge.records,
        plan=record_plan,
        deadline_s=2 * settings.retrieval.deadline_s,  # the hybrid search spends up to one on its legs, one on reading
    )
    model = model or _model(settings, knowledge)
    prompts, decide_s = Prompts(), settings.model.decide_s
    budget = Budget(settings.prompt.context_tokens, settings.prompt.history_tokens, TokenCounter())
    advisor = None
    if decide_s and isinstance(model, FormModel):
        forms = GuardedForms(model, knowledge.upstreams.decisions, decide_s)
        advisor = Advisor(MeteredForms(forms, quotas, knowledge.upstreams.watch), prompts, budget)
    metered = MeteredModel(TracedModel(model, tracer), quotas, knowledge.upstreams.watch)
    guarded = GuardedModel(metered, knowledge.upstreams.model)
    try:
        yield AnswerPipeline(
            retriever,
            guarded,
            prompts,
            knowledge.documents,
            budget,
            grounding=Grounding(knowledge.embedder, knowledge.scale),
            advisor=advisor,
            timeout_s=settings.generation.answer_timeout_s,
            tracer=tracer,
        )
    finally:
        await guarded.aclose()


def _model(settings: Settings, knowledge: Knowledge) -> Model:
    match settings.model.kind:
        case "extractive":
            return ExtractiveModel(knowledge.embedder, limits=knowledge.limits, scale=knowledge.scale)
        case "scripted":
            return ScriptedModel()
        case "openai":
            from chatserver.models.openai_compatible import OpenAICompatibleModel  # the SDK takes a second to import

            key, url = settings.model.api_key, settings.model.base_url
            return OpenAICompatibleModel(
                settings.model.effective_name,
                api_key=key.get_secret_value() if key else None,
                base_url=str(url) if url else None,
                organization=settings.model.organization,
            )
