"""HTTP doors to what is known: search, and the passages that citations open."""

import asyncio
import time
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from chatserver.edge.about import JSON, gives
from chatserver.edge.bodies import read_body
from chatserver.edge.description import documents
from chatserver.edge.doors import Door, allowed_namespace
from chatserver.edge.problems import Problem
from chatserver.guards.watch import counted_retries
from chatserver.protocol.codes import ErrorCode
from retrieval.errors import InvalidFilter, RetrievalError
from retrieval.filters import parse as parse_filter
from retrieval.hybrid import Hybrid
from retrieval.ports import DocumentStore
from retrieval.types import Found, Query, RankedPassage

_AT_ONCE = 5
"""Queries of one request that run at a time."""
_MAX_BYTES = 8 << 20
"""A hundred of the longest queries fit in."""


class SearchBody(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    queries: Annotated[list[Annotated[str, Field(max_length=16_000)]], Field(min_length=1, max_length=100)]
    top_k: Annotated[int, Field(ge=1, le=100)] = 8
    namespace: Annotated[str, Field(max_length=200)] = ""
    filter: dict[str, Any] | None = None


async def search(request: Request) -> Response:
    """Each query for itself: one that fails has an `error`, the others their passages."""
    body = await _body(request)
    allowed_namespace(request, body.namespace)
    hybrid: Hybrid = request.app.state.system.knowledge.hybrid
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(text: str) -> dict[str, Any]:
        async with places:
            return await _search_one(hybrid, Query(text, body.namespace, body.filter, body.top_k))

    with counted_retries() as retries:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(text)) for text in body.queries]
    results = [task.result() for task in tasks]
    succeeded = [result for result in results if "error" not in result]
    return JSONResponse(
        {
            "results": results,
            "success_rate": len(succeeded) / len(results),
            "retries": retries.count,
            "empty_contexts": sum(not result["passages"] for result in succeeded),
        }
    )


async def get_passage(request: Request) -> Response:
    """What a citation opens."""
    namespace = allowed_namespace(request, request.query_params.get("namespace", ""))
    documents: DocumentStore = request.app.state.system.knowledge.documents
    found = await documents.passages([request.path_params["passage"]], namespace=namespace)
    if not found:
        raise Problem(404, ErrorCode.NOT_FOUND, "There is no such passage.")
    (passage,) = found
    return JSONResponse(
        {
            "id": passage.id,
            "document": passage.document,
            "title": passage.title,
            "text": passage.text,
            "metadata": dict(passage.metadata),
        }
    )


async def _body(request: Request) -> SearchBody:
    try:
        body = SearchBody.model_validate_json(await read_body(request, _MAX_BYTES))
        parse_filter(body.filter or {})
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise Problem(422, ErrorCode.INVALID_FIELD, f"{place}: {fault['msg']}" if place else fault["msg"]) from None
    except InvalidFilter as error:
        raise Problem(422, ErrorCode.INVALID_FILTER, str(error)) from None
    return body


async def _search_one(hybrid: Hybrid, query: Query) -> dict[str, Any]:
    started = time.perf_counter()
    error: dict[str, str] = {}
    found = Found((), ())
    try:
        found = await hybrid.search(query)
    except RetrievalError as failure:
        error = {"error": failure.code}
    passages = [_found(ranked) for ranked in found.passages]
    ms = round((time.perf_counter() - started) * 1000, 2)
    return {"query": query.text, "passages": passages, "ms": ms, **error}


def _found(ranked: RankedPassage) -> dict[str, Any]:
    told = {
        "id": ranked.passage.id,
        "title": ranked.passage.title,
        "text": ranked.passage.text,
        "score": ranked.score,
        "why": list(ranked.why),
        "ranks": dict(ranked.ranks),
    }
    return told | ({"via": asdict(ranked.via)} if ranked.via else {})


class PassageQuery(TypedDict, total=False):
    namespace: str


ROUTES = [
    Door("/v1/search", search, methods=["POST"], about=gives(documents.SearchResults, takes={JSON: SearchBody})),
    Door("/v1/passages/{passage:path}", get_passage, about=gives(documents.PassageDocument, query=PassageQuery)),
]
