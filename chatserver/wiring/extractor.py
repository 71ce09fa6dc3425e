"""Who says what a passage is about, where that is a model."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chatserver.guards.model import GuardedForms
from chatserver.ingest.enriching import Extractor
from chatserver.ingest.extracting import ModelExtractor
from chatserver.settings import Settings
from chatserver.wiring.upstreams import Upstreams
from prompts import Prompts

_LIMIT_S = 120.0
"""For one passage: nobody waits for it but the job."""


@asynccontextmanager
async def open_extractor(settings: Settings, upstreams: Upstreams) -> AsyncIterator[Extractor | None]:
    """The configured model, behind the guard of its answers; None where rules have to do."""
    if settings.ingest.metadata != "model":
        yield None
        return
    from chatserver.models.openai_compatible import OpenAICompatibleModel  # the SDK takes a second to import

    key, url = settings.model.api_key, settings.model.base_url
    model = OpenAICompatibleModel(
        settings.model.effective_name,
        api_key=key.get_secret_value() if key else None,
        base_url=str(url) if url else None,
        organization=settings.model.organization,
    )
    try:
        yield ModelExtractor(GuardedForms(model, upstreams.model, _LIMIT_S), Prompts(), model_name=model.name)
    finally:
        await model.aclose()
