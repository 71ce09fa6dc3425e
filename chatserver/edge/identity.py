"""Who is asking."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import urlsplit

Identify: TypeAlias = Callable[[Mapping[str, Any]], str | None]
"""The ASGI scope's user, None when nobody is known. Called once for each connection and request."""


def anonymous(scope: Mapping[str, Any]) -> str | None:
    """Everybody is one user: for servers that only this machine reaches."""
    return "anonymous"


def is_same_origin(scope: Mapping[str, Any]) -> bool:
    """Whether a browser sent this from a page of this very server. Without an Origin it was no browser."""
    headers = dict(scope["headers"])
    origin = headers.get(b"origin")
    if origin is None:
        return True
    try:
        netloc = urlsplit(origin.decode("latin-1")).netloc
    except ValueError:  # not even an address
        return False
    return bool(netloc) and netloc == headers.get(b"host", b"").decode("latin-1")
