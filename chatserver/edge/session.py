"""HTTP doors of a browser's login: a token becomes a cookie that no script can read."""

import time
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chatserver.access.identity import Identity
from chatserver.edge.about import JSON, About, gives
from chatserver.edge.bodies import read_body
from chatserver.edge.description import documents
from chatserver.edge.doors import Door, identity_of
from chatserver.edge.gate import Access, Gate
from chatserver.edge.identity import COOKIE, is_loopback
from chatserver.edge.problems import Problem
from chatserver.protocol.codes import ErrorCode

_MAX_BYTES = 16 << 10


class SessionBody(BaseModel):
    token: Annotated[str, Field(min_length=1, max_length=8192, pattern=r"^[\w.~+/=-]+$")]


async def show(request: Request) -> Response:
    """Who is logged in."""
    return JSONResponse(_document(identity_of(request)))


async def begin(request: Request) -> Response:
    """Keeps the token in a cookie for as long as it lasts, once it has proved something."""
    try:
        body = SessionBody.model_validate_json(await read_body(request, _MAX_BYTES))
    except ValidationError:
        raise Problem(422, ErrorCode.INVALID_FIELD, "The body is an object with a `token`.") from None
    gate: Gate = request.app.state.gate
    header = (b"authorization", f"Bearer {body.token}".encode())
    identity = await gate.known({**request.scope, "headers": [header, *_without_proof(request)]})
    response = JSONResponse(_document(identity))
    lasts_s = None if identity.expires_at is None else max(0, int(identity.expires_at - time.time()))
    response.set_cookie(COOKIE, body.token, max_age=lasts_s, **_attributes(request))
    return response


async def end(request: Request) -> Response:
    """Takes the cookie away."""
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, **_attributes(request))
    return response


def _without_proof(request: Request) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in request.scope["headers"] if name not in {b"authorization", b"cookie"}]


def _document(identity: Identity) -> dict[str, Any]:
    namespaces = None if identity.namespaces is None else sorted(identity.namespaces)
    return {
        "user": identity.user,
        "namespaces": namespaces,
        "operator": identity.operator,
        "expires_at": identity.expires_at,
    }


def _attributes(request: Request) -> dict[str, Any]:
    """Never to scripts, never to another site, and over TLS alone, unless this is the browser's own machine."""
    is_local = request.url.scheme == "http" and is_loopback(request.url.hostname or "")
    return {"path": "/", "httponly": True, "samesite": "strict", "secure": not is_local}


ROUTES = [
    Door("/v1/session", show, about=gives(documents.Session)),
    Door(
        "/v1/session",
        begin,
        methods=["POST"],
        access=Access.PUBLIC,
        about=gives(documents.Session, takes={JSON: SessionBody}),
    ),
    Door("/v1/session", end, methods=["DELETE"], access=Access.PUBLIC, about=About(gives={204: None})),
]
