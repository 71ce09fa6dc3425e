"""The chat page: static files of the package, served with a strict content security policy."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from chatserver.edge.about import About
from chatserver.edge.doors import Door
from chatserver.edge.gate import Access

WEB = Path(__file__).parent.parent / "web"

_HEADERS = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",  # revalidate: a page and its modules are always of one version
}


class _Assets(StaticFiles):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self.get_response(self.get_path(scope), scope)
        response.headers.update(_HEADERS)
        await response(scope, receive, send)


async def index(request: Request) -> Response:
    """The chat page."""
    return FileResponse(WEB / "index.html", headers=_HEADERS)


# The JavaScript client is the page's as well: `web/client` leads to `clients/js`, and in the wheel is a copy of it.
_ASSETS = _Assets(directory=WEB, follow_symlink=True)

ROUTES: list[BaseRoute] = [
    Door("/", index, access=Access.PUBLIC, about=About(gives={200: {"text/html": None}})),
    Mount("/assets", _ASSETS),
]
