"""Who is asking: what a request or a handshake brings to prove it, and from which pages it may come."""

import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from chatserver.access.identity import ANONYMOUS, Identity, KeysUnavailable, TokenRejected, Verifier
from chatserver.edge.problems import Problem
from chatserver.protocol.codes import ErrorCode

COOKIE: Final = "chatserver_token"
BEARER_PROTOCOL: Final = "bearer."
"""What a browser, which can set no header for a WebSocket, offers beside the subprotocol: this and its token."""

Identify: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[Identity | None]]
"""The ASGI scope's user, None when nobody is known. Called once for each connection and request. Raises `Problem`."""


async def anonymous(scope: Mapping[str, Any]) -> Identity | None:
    """Everybody is one user, on a server that only its own machine reaches: bound to it and spoken to by its name.
    The latter is what a page of elsewhere, whose name was made to lead here (DNS rebinding), can't have."""
    server = scope.get("server")
    is_ours = server is None or server[1] is None or is_loopback(str(server[0]))  # no port: a unix socket
    if not (is_ours and is_loopback(_host(scope))):
        detail = "This server has no logins and serves its own machine alone."
        raise Problem(403, ErrorCode.FORBIDDEN, detail)
    return ANONYMOUS


def by_token(verifier: Verifier) -> Identify:
    """Whoever the bearer token of a header, a subprotocol or a cookie names."""

    async def identify(scope: Mapping[str, Any]) -> Identity | None:
        token = token_of(scope)
        if token is None:
            return None
        try:
            return await verifier.identity(token)
        except TokenRejected as error:
            raise Problem(401, ErrorCode.UNAUTHENTICATED, str(error)) from None
        except KeysUnavailable:
            detail = "Tokens can't be checked now, try again."
            raise Problem(503, ErrorCode.UNAVAILABLE, detail, retry_after_s=1) from None

    return identify


def token_of(scope: Mapping[str, Any]) -> str | None:
    """From `Authorization: Bearer …`, else the offered subprotocols, else the cookie."""
    scheme, _, token = _header(scope, b"authorization").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    for offered in scope.get("subprotocols", ()):
        if offered.startswith(BEARER_PROTOCOL):
            return str(offered.removeprefix(BEARER_PROTOCOL))
    try:
        cookie = SimpleCookie(_header(scope, b"cookie")).get(COOKIE)
    except CookieError:
        return None
    return cookie.value if cookie is not None and cookie.value else None


def is_allowed_origin(scope: Mapping[str, Any], allowed: frozenset[str] = frozenset()) -> bool:
    """Whether a browser sent this from a page of this very server, or of an allowed origin. Without an Origin it was
    no browser."""
    headers = dict(scope["headers"])
    if b"origin" not in headers:
        return True
    origin = headers[b"origin"].decode("latin-1")
    if origin in allowed:
        return True
    try:
        netloc = urlsplit(origin).netloc
    except ValueError:  # not even an address
        return False
    return bool(netloc) and netloc == _header(scope, b"host")


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _host(scope: Mapping[str, Any]) -> str:
    """The name that the client speaks to, without its port."""
    try:
        return urlsplit(f"//{_header(scope, b'host')}").hostname or ""
    except ValueError:
        return ""


def _header(scope: Mapping[str, Any], name: bytes) -> str:
    value: bytes = dict(scope["headers"]).get(name, b"")
    return value.decode("latin-1")
