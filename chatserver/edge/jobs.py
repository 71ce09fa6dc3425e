"""HTTP doors to jobs: what became of them, and to cancel or try them again. A job's log is that of an answer: its
events are read at `/v1/answers/{job}/events` too, and over the chat socket with `resume` of the chat `jobs`."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chatserver.answers.meta import AnswerMeta
from chatserver.edge.about import JSON, About, gives
from chatserver.edge.description import documents
from chatserver.edge.doors import Door, identity_of, user_of
from chatserver.edge.events import ABOUT_EVENTS, stream_events
from chatserver.edge.problems import Problem
from chatserver.ingest.jobs import Jobs, NotEnded, QueueFull
from chatserver.protocol.codes import ErrorCode


async def get_jobs(request: Request) -> Response:
    """Your jobs, the newest first."""
    jobs: Jobs = request.app.state.system.jobs
    metas = [meta for meta in await jobs.listed(user_of(request)) if identity_of(request).owns(meta.question)]
    return JSONResponse({"jobs": [await jobs.status(meta) for meta in metas]})


async def get_job(request: Request) -> Response:
    """One job."""
    jobs: Jobs = request.app.state.system.jobs
    return JSONResponse(await jobs.status(await _owned(request)))


async def get_job_events(request: Request) -> Response:
    """Its log as server-sent events."""
    return stream_events(request, await _owned(request))


async def cancel_job(request: Request) -> Response:
    """Cancels it; 200 when it has ended already. What is stored by then stays."""
    jobs: Jobs = request.app.state.system.jobs
    meta = await _owned(request)
    cancelled = await jobs.cancel(meta.question.user, meta.answer) or meta
    return JSONResponse(await jobs.status(cancelled), status_code=200 if cancelled.state.sealed else 202)


async def retry_job(request: Request) -> Response:
    """A failed or cancelled job once more, as a new one."""
    jobs: Jobs = request.app.state.system.jobs
    meta = await _owned(request)
    refuse_draining(request)
    try:
        again, wait_s = await jobs.retry(meta)
    except NotEnded:
        detail = "Only a job that failed or was cancelled can be tried again."
        raise Problem(409, ErrorCode.NOT_ENDED, detail) from None
    except QueueFull as full:
        raise queue_full(full) from None
    return accepted(again, wait_s)


def accepted(meta: AnswerMeta, wait_s: float | None) -> Response:
    url = f"/v1/jobs/{meta.answer}"
    body: dict[str, Any] = {"job_id": meta.answer, "status_url": url, "estimated_wait_s": wait_s}
    return JSONResponse(body, status_code=202, headers={"location": url})


def queue_full(full: QueueFull) -> Problem:
    detail = "Too many jobs wait already; nothing was kept of this one."
    return Problem(503, ErrorCode.OVERLOADED, detail, retry_after_s=full.retry_after_s)


def refuse_draining(request: Request) -> None:
    if request.app.state.system.draining:
        raise Problem(503, ErrorCode.DRAINING, "This server is restarting; try again.", retry_after_s=1)


async def _owned(request: Request) -> AnswerMeta:
    jobs: Jobs = request.app.state.system.jobs
    meta = await jobs.find(user_of(request), request.path_params["job"])
    if meta is None or not identity_of(request).owns(meta.question):
        raise Problem(404, ErrorCode.NOT_FOUND, "You have no such job.")
    return meta


ROUTES = [
    Door("/v1/jobs", get_jobs, about=gives(documents.JobList)),
    Door("/v1/jobs/{job}", get_job, about=gives(documents.Job)),
    Door(
        "/v1/jobs/{job}",
        cancel_job,
        methods=["DELETE"],
        about=About(gives={200: {JSON: documents.Job}, 202: {JSON: documents.Job}}),
    ),
    Door("/v1/jobs/{job}/events", get_job_events, about=ABOUT_EVENTS),
    Door("/v1/jobs/{job}/retry", retry_job, methods=["POST"], about=gives(documents.JobAccepted, status=202)),
]
