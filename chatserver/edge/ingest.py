"""`POST /v1/ingest`: documents, records and files become a job. Answered as soon as that is durable."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive
from typing_extensions import TypedDict

from chatserver.access.quotas import Exceeded
from chatserver.edge.about import JSON, gives
from chatserver.edge.bodies import read_body, too_large
from chatserver.edge.description import documents
from chatserver.edge.doors import Door, allowed_namespace, identity_of, user_of
from chatserver.edge.gate import Gate, too_much
from chatserver.edge.jobs import accepted, queue_full, refuse_draining
from chatserver.edge.problems import Problem
from chatserver.ingest.files import is_within
from chatserver.ingest.jobs import Jobs, QueueFull, Submission
from chatserver.ingest.spool import InvalidName
from chatserver.protocol.codes import ErrorCode
from chatserver.settings import Ingest

_FILES = 10_000  # in one upload
_NAMED = 3

Name = Annotated[str, Field(min_length=1, max_length=1_000)]
_RESERVED = frozenset({"id", "title", "text", "fields", "collection"})


def _unreserved(metadata: dict[str, Any]) -> dict[str, Any]:
    if taken := sorted(_RESERVED & metadata.keys()):
        raise ValueError(f"metadata can't be called {', '.join(taken)}")
    return metadata


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class DocumentBody(_Body):
    id: Name
    title: str = ""
    text: str
    metadata: Annotated[dict[str, str | int | float | bool | list[str]], AfterValidator(_unreserved)] = Field(
        default_factory=dict
    )


class RecordBody(_Body):
    collection: Name
    id: Name
    fields: dict[str, str | int | float | bool | None]
    types: dict[str, Literal["text", "number", "boolean", "time"]] = Field(default_factory=dict)
    """Of fields whose type is not to be inferred from their values."""


class IngestBody(_Body):
    documents: list[DocumentBody] = Field(default_factory=list)
    records: list[RecordBody] = Field(default_factory=list)
    paths: list[Name] = Field(default_factory=list, max_length=1_000)
    namespace: Annotated[str, Field(max_length=200)] = ""


async def ingest(request: Request) -> Response:
    """Documents, records and files become a job."""
    refuse_draining(request)
    try:
        await _jobs(request).admit()  # before a body is read
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            return await _ingest_files(request)
        return await _ingest_body(request)
    except QueueFull as full:
        raise queue_full(full) from None
    except OSError:
        detail = "The upload can't be kept now; nothing of it was."
        raise Problem(503, ErrorCode.UNAVAILABLE, detail, retry_after_s=5) from None


async def _ingest_body(request: Request) -> Response:
    ingest = _settings(request)
    data = await read_body(request, ingest.max_bytes)
    try:
        body = IngestBody.model_validate_json(data)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise Problem(422, ErrorCode.INVALID_FIELD, f"{place}: {fault['msg']}" if place else fault["msg"]) from None
    given = bool(body.documents or body.records)
    if given == bool(body.paths):
        raise Problem(422, ErrorCode.INVALID_FIELD, "Give documents and records, or paths.")
    namespace = allowed_namespace(request, body.namespace)
    if body.paths:
        where = _allowed(body.paths, _settings(request))
        return await _submit(request, _jobs(request).new_id(), where, body.paths, 0, namespace)
    job = _jobs(request).new_id()
    size = await _jobs(request).spool.keep_rows(job, _rows(body))
    names = [document.title or document.id for document in body.documents] or [body.records[0].collection]
    return await _submit(request, job, {"spool": job}, names, size, namespace)


def _rows(body: IngestBody) -> Iterator[dict[str, Any]]:
    for document in body.documents:
        yield {**document.metadata, "id": document.id, "title": document.title, "text": document.text}
    for record in body.records:
        yield {"collection": record.collection, "id": record.id, "fields": record.fields, "types": record.types}


async def _ingest_files(request: Request) -> Response:
    limit = _settings(request).max_bytes
    bounded = Request(request.scope, _bounded(request.receive, limit))
    job = _jobs(request).new_id()
    names: list[str] = []
    size = 0
    submitted = False
    try:
        async with bounded.form(max_files=_FILES) as form:
            namespace = allowed_namespace(request, str(form.get("namespace", "")))
            for value in form.getlist("files"):
                if not isinstance(value, UploadFile) or not value.filename:
                    raise Problem(422, ErrorCode.INVALID_FIELD, "files: each part needs a file name")
                size += await _jobs(request).spool.keep_file(job, value.filename, value.file)
                names.append(value.filename)
        if not names:
            raise Problem(422, ErrorCode.INVALID_FIELD, "files: there is none")
        submitted = True
        return await _submit(request, job, {"spool": job}, names, size, namespace)
    except InvalidName as error:
        raise Problem(422, ErrorCode.INVALID_FIELD, f"files: {str(error)!r} can't be a file's name here") from None
    except MultiPartException as error:
        raise Problem(400, ErrorCode.INVALID_FIELD, error.message) from None
    except ClientDisconnect:
        raise Problem(400, ErrorCode.INVALID_FIELD, "The body broke off.") from None
    finally:
        if not submitted:
            await _jobs(request).spool.drop(job)


def _bounded(receive: Receive, limit: int) -> Receive:
    """A body without an end fills no disk."""
    received = 0

    async def bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise too_large(limit)
        return message

    return bounded


def _allowed(paths: Sequence[str], settings: Ingest) -> dict[str, Any]:
    """Where they really are. Raises `Problem` for one that leads, over links too, out of what the operator allows."""
    directories = [os.path.realpath(directory) for directory in settings.paths]
    for path in paths:
        if "\0" in path or not is_within(Path(path), directories):
            raise Problem(403, ErrorCode.FORBIDDEN, "This server ingests no files of its machine from there.")
    return {"paths": [os.path.realpath(path) for path in paths], "within": directories}


async def _submit(
    request: Request,
    job: str,
    given: dict[str, Any],
    names: list[str],
    size: int,
    namespace: str,
) -> Response:
    title = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    key = request.headers.get("idempotency-key") or None
    submission = Submission(user_of(request), given, title[:300], size, namespace, key)
    jobs = _jobs(request)
    gate: Gate = request.app.state.gate
    try:
        await gate.quotas.ingest(identity_of(request), size)
    except Exceeded as error:
        await jobs.spool.drop(job)
        raise too_much(error) from None
    except BaseException:
        await jobs.spool.drop(job)
        raise
    return accepted(*await jobs.submit(submission, job))


def _jobs(request: Request) -> Jobs:
    jobs: Jobs = request.app.state.system.jobs
    return jobs


def _settings(request: Request) -> Ingest:
    settings: Ingest = request.app.state.system.settings.ingest
    return settings


class Upload(TypedDict):
    files: list[bytes]
    namespace: NotRequired[str]


ROUTES = [
    Door(
        "/v1/ingest",
        ingest,
        methods=["POST"],
        about=gives(
            documents.JobAccepted,
            status=202,
            takes={JSON: IngestBody, "multipart/form-data": Upload},
            headers={"idempotency-key": "The same one again is the same job."},
            tells={"location": "Where the job is."},
        ),
    )
]
