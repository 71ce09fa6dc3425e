"""HTTP errors as RFC 9457 problem documents."""

from collections.abc import Mapping

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chatserver.protocol.codes import ErrorCode
from chatserver.protocol.completions import error_of

log = structlog.get_logger(__name__)

_CODES = {404: ErrorCode.NOT_FOUND, 405: ErrorCode.METHOD_NOT_ALLOWED, 403: ErrorCode.FORBIDDEN}


class Problem(Exception):
    """Raised by a door; `detail` is fit for the client."""

    def __init__(self, status: int, code: str, detail: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s


_COMPLETIONS = "/v1/chat/completions"


def problem_response(problem: Problem, headers: Mapping[str, str] | None = None, *, path: str = "") -> Response:
    """`path` is the door's: what is built for the OpenAI API looks for an error in its own form, and finds both."""
    extra = {"retry-after": str(max(1, round(problem.retry_after_s)))} if problem.retry_after_s is not None else {}
    if problem.status == 401:
        extra["www-authenticate"] = "Bearer"
    error = {"error": error_of(problem.code, problem.detail)} if path == _COMPLETIONS else {}
    return JSONResponse(
        {"type": "about:blank", "status": problem.status, "code": problem.code, "detail": problem.detail, **error},
        status_code=problem.status,
        media_type="application/problem+json",
        headers={**(headers or {}), **extra},
    )


async def on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return problem_response(error, path=request.url.path)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """What Starlette itself refuses: no such path, no such method."""
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, ErrorCode.INVALID_FIELD)
    return problem_response(Problem(error.status_code, code, error.detail), error.headers)


async def on_log_unavailable(request: Request, error: Exception) -> Response:
    log.warning("request failed, the log is away", path=request.url.path, error=str(error))
    detail = "The answer log is away; nothing is lost, try again."
    return problem_response(Problem(503, ErrorCode.UNAVAILABLE, detail, retry_after_s=1), path=request.url.path)


async def on_bug(request: Request, error: Exception) -> Response:
    log.error("request failed", path=request.url.path, exc_info=error)
    return problem_response(
        Problem(500, ErrorCode.INTERNAL, "Something went wrong on our side."), path=request.url.path
    )
