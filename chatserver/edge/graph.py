"""The HTTP door to the graph: around an entity, or how the sources of one answer were reached."""

import asyncio
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chatserver.answers.document import read_document
from chatserver.answers.log import AnswerLog
from chatserver.edge.about import gives
from chatserver.edge.answers import owned_answer
from chatserver.edge.description import documents
from chatserver.edge.doors import Door, allowed_namespace
from chatserver.edge.problems import Problem
from chatserver.pipeline.reached import reached
from chatserver.protocol.codes import ErrorCode
from graph.nearest import nearest_names
from graph.ports import GraphStore
from graph.view import View, around, as_document
from retrieval.errors import RetrievalError

_READ = 300
"""Nodes read, to choose from each sort of edge."""


class GraphQuery(BaseModel):
    model_config = ConfigDict(extra="ignore")

    entity: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    answer: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    hops: Annotated[int, Field(ge=1, le=3)] = 1
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    namespace: Annotated[str, Field(max_length=200)] = ""


async def get_graph(request: Request) -> Response:
    """A part of the graph as a tree: around an `entity`, or how the sources of an `answer` were reached."""
    query = _query(request)
    if query.answer is not None:
        return JSONResponse(await _of_answer(request, query.answer))
    allowed_namespace(request, query.namespace)
    assert query.entity is not None
    view = await _around(request.app.state.system.knowledge.graph, query.entity, query)
    return JSONResponse({"namespace": query.namespace, **as_document(view)})


def _query(request: Request) -> GraphQuery:
    given = dict(request.query_params)
    given.setdefault("entity", given.pop("centre", None))  # type: ignore[arg-type]
    try:
        query = GraphQuery.model_validate(given)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        raise Problem(422, ErrorCode.INVALID_FIELD, f"{place}: {fault['msg']}") from None
    if (query.entity is None) == (query.answer is None):
        raise Problem(422, ErrorCode.INVALID_FIELD, "Ask for an `entity` or for an `answer`.")
    return query


async def _of_answer(request: Request, id: str) -> dict[str, Any]:
    answers: AnswerLog = request.app.state.system.answers
    meta = await owned_answer(request, id)
    data = (await read_document(answers, meta)).data
    view = reached(meta.question.text, data.get("retrieval", {}).get("passages", ()), data.get("records", ()))
    return {"namespace": meta.question.namespace, **as_document(view)}


async def _around(graph: GraphStore, centre: str, query: GraphQuery) -> View:
    try:
        found = await graph.subgraph(centre, hops=query.hops, limit=_READ, namespace=query.namespace)
        if found.nodes:
            return around(found, query.limit)
        names = await graph.names(namespace=query.namespace)
        nearest = await asyncio.to_thread(nearest_names, centre, names)
        known = await graph.entities(nearest, namespace=query.namespace)
    except RetrievalError:
        detail = "The graph is away; nothing is lost, try again."
        raise Problem(503, ErrorCode.UNAVAILABLE, detail, retry_after_s=1) from None
    hint = f" Nearest: {', '.join(entity.name for entity in known)}." if known else ""
    raise Problem(404, ErrorCode.NOT_FOUND, f"The graph knows nothing called {centre!r}.{hint}")


ROUTES = [Door("/v1/graph", get_graph, about=gives(documents.GraphView, query=GraphQuery))]
