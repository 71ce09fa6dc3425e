"""Whose trace a request or a handshake belongs to."""

from starlette.types import ASGIApp, Receive, Scope, Send

from chatserver.tracing.port import Tracer

_HEADER = b"traceparent"


class Traced:
    """ASGI middleware: what is done for a request, or on a WebSocket, stands in the trace that its `traceparent` names.
    Two such headers are as none."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        named = [value for name, value in scope.get("headers", ()) if name == _HEADER]
        if len(named) != 1:
            await self._app(scope, receive, send)
            return
        tracer: Tracer = scope["app"].state.system.tracer
        with tracer.within(named[0].decode("latin-1")):
            await self._app(scope, receive, send)
