"""The body of a request, as long as it is no larger and no slower than it may be."""

import asyncio
from typing import Final

from starlette.requests import ClientDisconnect, Request

from chatserver.edge.problems import Problem
from chatserver.protocol.codes import ErrorCode
from chatserver.protocol.commands import InvalidCommand

_STATUS: Final = {
    ErrorCode.INVALID_JSON: 400,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.MODEL_NOT_FOUND: 404,
    ErrorCode.PROVIDER_KEY_REFUSED: 403,
    ErrorCode.MESSAGE_TOO_LARGE: 413,
    ErrorCode.DRAINING: 503,
    ErrorCode.OVERLOADED: 503,
}

STALL_S: Final = 10.0
"""How long a client may send nothing of a body that it has announced."""


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Raises `Problem` as soon as it is too large: one without an end fills no memory."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise too_large(max_bytes)
    body = bytearray()
    parts = aiter(request.stream())
    try:
        while True:
            async with asyncio.timeout(STALL_S):
                part = await anext(parts, None)
            if part is None:
                return bytes(body)
            body += part
            if len(body) > max_bytes:
                raise too_large(max_bytes)
    except TimeoutError:
        raise Problem(408, ErrorCode.TOO_SLOW, "The body did not come.") from None
    except ClientDisconnect:
        raise Problem(400, ErrorCode.INVALID_FIELD, "The body broke off.") from None


def too_large(max_bytes: int) -> Problem:
    return Problem(413, ErrorCode.MESSAGE_TOO_LARGE, f"A body has at most {max_bytes} bytes.")


def as_problem(error: InvalidCommand) -> Problem:
    """What a door over HTTP says of a command that it does not take."""
    retry_after_s = error.retry_after_ms / 1000 if error.retry_after_ms is not None else None
    return Problem(_STATUS.get(error.code, 422), error.code, error.message, retry_after_s=retry_after_s)
