"""Where every door asks who comes: one check for requests, one for sockets, the same rules behind both."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any, Final

from chatserver.access.identity import Identity
from chatserver.access.quotas import UNLIMITED, Exceeded, Quotas
from chatserver.edge.identity import Identify, is_allowed_origin
from chatserver.edge.problems import Problem
from chatserver.protocol.codes import CloseCode, ErrorCode

_READING: Final = frozenset({"GET", "HEAD"})
_CLOSE_CODES: Final = {
    401: CloseCode.UNAUTHENTICATED,
    403: CloseCode.FORBIDDEN,
    429: CloseCode.RATE_LIMITED,
    503: CloseCode.TRY_LATER,
}


class Access(Enum):
    """Whom a door serves."""

    PUBLIC = auto()
    """Anybody: it tells nothing of anybody's."""
    USER = auto()
    """A known user, what is theirs."""
    OPERATOR = auto()
    """Who runs the server."""


@dataclass(frozen=True, slots=True)
class Gate:
    """`origins`: other pages than the server's own that may speak to it from a browser."""

    identify: Identify
    origins: frozenset[str] = frozenset()
    quotas: Quotas = UNLIMITED
    clock: Callable[[], float] = time.time

    async def request(self, scope: Mapping[str, Any], access: Access) -> Identity | None:
        """Who sent this request, None at a public door. A browser changes nothing here from another page, whatever
        cookie it brings. Raises `Problem`."""
        if scope["method"] not in _READING and not is_allowed_origin(scope, self.origins):
            raise Problem(403, ErrorCode.FORBIDDEN, "Not from a page of this origin.")
        if access is Access.PUBLIC:
            return None
        identity = await self.known(scope)
        if access is Access.OPERATOR and not identity.operator:
            raise Problem(403, ErrorCode.FORBIDDEN, "This is for operators.")
        try:
            await self.quotas.request(identity)
        except Exceeded as error:
            raise too_much(error) from None
        return identity

    async def socket(self, scope: Mapping[str, Any]) -> Identity:
        """Who opens this WebSocket. Raises `Problem`, which `close_code` translates."""
        if not is_allowed_origin(scope, self.origins):
            raise Problem(403, ErrorCode.FORBIDDEN, "origin not allowed")
        return await self.known(scope)

    async def known(self, scope: Mapping[str, Any]) -> Identity:
        """Whoever the scope proves. Raises `Problem`."""
        identity = await self.identify(scope)
        if identity is None:
            raise Problem(401, ErrorCode.UNAUTHENTICATED, "Authenticate first.")
        if identity.expires_at is not None and identity.expires_at <= self.clock():
            raise Problem(401, ErrorCode.UNAUTHENTICATED, "The token has expired.")
        client = scope.get("client")
        return replace(identity, address=client[0] if client else None)


def too_much(error: Exceeded) -> Problem:
    """429 when it is this user's or address's own doing, 503 when the server is full."""
    status = 503 if error.code is ErrorCode.OVERLOADED else 429
    return Problem(status, error.code, error.message, retry_after_s=error.retry_after_s)


def close_code(problem: Problem) -> CloseCode:
    """What a socket is closed with for what a request would be refused with."""
    return _CLOSE_CODES.get(problem.status, CloseCode.INTERNAL)
