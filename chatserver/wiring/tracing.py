"""Where traces go."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chatserver.settings import Settings, SettingsError
from chatserver.tracing.port import UNTRACED, Tracer


@asynccontextmanager
async def open_tracer(settings: Settings, server: str) -> AsyncIterator[Tracer]:
    """Nowhere without a collector. `server` tells processes apart. Raises `SettingsError` without the extra."""
    if settings.traces.url is None:
        yield UNTRACED
        return
    try:
        from chatserver.tracing.otel import OtelTracer  # half a second to import
    except ModuleNotFoundError:
        raise SettingsError(["CHATSERVER_TRACES_URL: install chatserver[otel]"]) from None
    tracer = OtelTracer.to(settings.traces.url, share=settings.traces.share, server=server)
    try:
        yield tracer
    finally:
        await asyncio.to_thread(tracer.close)
