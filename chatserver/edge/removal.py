"""HTTP doors that take documents and records out again."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from chatserver.edge.about import gives
from chatserver.edge.description import documents
from chatserver.edge.doors import Door, allowed_namespace
from chatserver.edge.problems import Problem
from chatserver.ingest.removal import Removal
from chatserver.protocol.codes import ErrorCode
from graph.types import RecordKey
from retrieval.errors import RetrievalError


async def delete_document(request: Request) -> Response:
    """Takes a document out: its text, vectors and links."""
    namespace = allowed_namespace(request, request.query_params.get("namespace", ""))
    document = request.path_params["document"]
    try:
        there = await _removal(request).documents([document], namespace)
    except RetrievalError:
        raise _not_now() from None
    if not there:
        raise Problem(404, ErrorCode.NOT_FOUND, "There is no such document.")
    return JSONResponse({"document": document, "namespace": namespace})


async def delete_record(request: Request) -> Response:
    """Takes a record out, and the names that it brought."""
    namespace = allowed_namespace(request, request.query_params.get("namespace", ""))
    key = RecordKey(request.path_params["collection"], request.path_params["record"])
    try:
        there = await _removal(request).records([key], namespace)
    except RetrievalError:
        raise _not_now() from None
    if not there:
        raise Problem(404, ErrorCode.NOT_FOUND, "There is no such record.")
    return JSONResponse({"collection": key.collection, "record": key.id, "namespace": namespace})


def _removal(request: Request) -> Removal:
    removal: Removal = request.app.state.system.knowledge.removal
    return removal


def _not_now() -> Problem:
    detail = "A store can't be reached now; what is left of it goes when you ask again."
    return Problem(503, ErrorCode.UNAVAILABLE, detail, retry_after_s=5)


class RemovalQuery(TypedDict, total=False):
    namespace: str


ROUTES = [
    Door(
        "/v1/documents/{document:path}",
        delete_document,
        methods=["DELETE"],
        about=gives(documents.DocumentRemoved, query=RemovalQuery),
    ),
    Door(
        "/v1/records/{collection}/{record:path}",
        delete_record,
        methods=["DELETE"],
        about=gives(documents.RecordRemoved, query=RemovalQuery),
    ),
]
