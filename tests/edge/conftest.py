from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from chatserver.app import create_app
from chatserver.settings import Model, Settings, Storage
from chatserver.wiring import System
from tests.delivery.served import by_header


@dataclass
class Doors:
    """The real application in this process, and a client for each user."""

    system: System
    transport: httpx.ASGITransport

    async def request(self, method: str, path: str, *, user: str | None = "ada", **options: Any) -> httpx.Response:
        headers = {**({"X-User": user} if user else {}), **options.pop("headers", {})}
        async with httpx.AsyncClient(transport=self.transport, base_url="http://server") as client:
            return await client.request(method, path, headers=headers, **options)

    async def get(self, path: str, *, user: str | None = "ada", **options: Any) -> httpx.Response:
        return await self.request("GET", path, user=user, **options)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def doors(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Doors]:
    directory: Path = tmp_path_factory.mktemp("data")
    settings = Settings(storage=Storage(data_dir=directory), model=Model(name="scripted"))
    app = create_app(settings, identify=by_header)
    async with app.router.lifespan_context(app):
        yield Doors(app.state.system, httpx.ASGITransport(app, raise_app_exceptions=False))
