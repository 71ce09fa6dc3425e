"""The doors as documents for machines: OpenAPI and AsyncAPI."""

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chatserver.edge.about import gives
from chatserver.edge.description.asyncapi import asyncapi
from chatserver.edge.description.openapi import openapi
from chatserver.edge.doors import Door
from chatserver.edge.gate import Access


async def get_openapi(request: Request) -> Response:
    """The HTTP doors in OpenAPI 3.1."""
    doors = [route for route in request.app.routes if isinstance(route, Door)]
    return JSONResponse(await _once(request, "openapi", lambda: openapi(doors)))


async def get_asyncapi(request: Request) -> Response:
    """The sockets in AsyncAPI 3.1."""
    return JSONResponse(await _once(request, "asyncapi", asyncapi))


async def _once(request: Request, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Made for the first who asks, beside the loop: it takes some 50 ms."""
    made: dict[str, dict[str, Any]] = request.app.state.descriptions
    if name not in made:
        made[name] = await asyncio.to_thread(make)
    return made[name]


ROUTES = [
    Door("/openapi.json", get_openapi, access=Access.PUBLIC, about=gives(dict[str, Any])),
    Door("/asyncapi.json", get_asyncapi, access=Access.PUBLIC, about=gives(dict[str, Any])),
]
