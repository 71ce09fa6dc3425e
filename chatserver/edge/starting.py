"""Why a server did not start, as the one line that the error says, instead of a traceback."""

import sys

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatserver.cli.errors import explained


class ExplainedStart:
    """ASGI middleware. Of errors that are bugs the traceback stays."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return

        async def told(message: Message) -> None:
            error = sys.exception()  # Starlette tells of it while it handles it
            line = explained(error) if error is not None else None
            if message["type"] == "lifespan.startup.failed" and line is not None:
                message["message"] = line
            await send(message)

        await self._app(scope, receive, told)
