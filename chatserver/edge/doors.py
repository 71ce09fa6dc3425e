"""An HTTP door: a route that names whom it serves, so that none can forget to ask.

    ROUTES = [Door("/v1/answers/{answer}", get_answer), Door("/healthz", healthz, access=Access.PUBLIC)]

`about` says what it takes and gives: no door goes without (`tests/test_docs.py`), nor without a call in
`tests/edge/test_description.py`. Behind a door that is not public `user_of(request)` and `identity_of(request)` tell
who is there. A reply that streams ends when its reader's token does.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from chatserver.access.identity import Identity
from chatserver.access.quotas import Exceeded
from chatserver.answers.log import LogUnavailable
from chatserver.edge.about import About
from chatserver.edge.gate import Access, Gate, too_much
from chatserver.edge.problems import Problem
from chatserver.protocol.codes import ErrorCode

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


class Door(Route):
    def __init__(
        self,
        path: str,
        endpoint: Endpoint,
        *,
        methods: Sequence[str] = ("GET",),
        access: Access = Access.USER,
        about: About | None = None,
        **options: Any,
    ) -> None:
        super().__init__(path, _measured(_asked_first(endpoint, access), path), methods=list(methods), **options)
        # Starlette's `path` stops at a line's end, which an id that is a file's name may hold
        self.path_regex = re.compile(self.path_regex.pattern, re.DOTALL)
        self.access = access
        self.about = about


def identity_of(request: Request) -> Identity:
    identity: Identity = request.state.identity
    return identity


def user_of(request: Request) -> str:
    return identity_of(request).user


def allowed_namespace(request: Request, namespace: str) -> str:
    """The namespace, when its documents are for this user. Raises `Problem`."""
    if not identity_of(request).may_use(namespace):
        raise Problem(403, ErrorCode.FORBIDDEN, "That namespace is not yours.")
    return namespace


def _measured(endpoint: Endpoint, path: str) -> Endpoint:
    """Tells how long it took until there was something to answer; a stream lasts longer."""

    @wraps(endpoint)
    async def measured(request: Request) -> Response:
        began, status = time.perf_counter(), 500
        try:
            response = await endpoint(request)
            status = getattr(response, "status_code", 200)  # a stream's is told when it begins
            return response
        except Problem as problem:
            status = problem.status
            raise
        except LogUnavailable:
            status = 503
            raise
        finally:
            request.app.state.system.metrics.requested(path, request.method, status, time.perf_counter() - began)

    return measured


def _asked_first(endpoint: Endpoint, access: Access) -> Endpoint:
    @wraps(endpoint)
    async def asked(request: Request) -> Response:
        gate: Gate = request.app.state.gate
        identity = await gate.request(request.scope, access)
        if identity is None:
            return await endpoint(request)
        request.state.identity = identity
        try:
            with gate.quotas.place():
                response = await endpoint(request)
        except Exceeded as error:
            raise too_much(error) from None
        return _Stream(response, identity, gate) if isinstance(response, StreamingResponse) else response

    return asked


class _Stream(Response):
    """A reply that lasts: it takes a connection's place, and breaks off when its reader's token has expired; the next
    request is asked to authenticate."""

    def __init__(self, response: Response, identity: Identity, gate: Gate) -> None:
        self._response = response
        self._identity = identity
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with self._gate.quotas.connection(self._identity):
                await self._until_expired(scope, receive, send)
        except Exceeded as error:
            raise too_much(error) from None

    async def _until_expired(self, scope: Scope, receive: Receive, send: Send) -> None:
        ends, now = self._identity.expires_at, self._gate.clock()
        try:
            async with asyncio.timeout(None if ends is None else ends - now):
                await self._response(scope, receive, send)
        except TimeoutError:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
