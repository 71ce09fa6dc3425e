"""`POST /v1/chat/completions` and `GET /v1/models`: this server as a model of the OpenAI API."""

import uuid
from functools import partial
from typing import Final
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chatserver.answers.meta import AnswerMeta
from chatserver.delivery.manager import ConnectionManager
from chatserver.edge.about import EVENTS, JSON, About, gives
from chatserver.edge.ai_sdk import ANSWER_HEADER
from chatserver.edge.bodies import as_problem, read_body
from chatserver.edge.description import completions
from chatserver.edge.doors import Door, identity_of
from chatserver.edge.streaming import EVENT_STREAM, Head, StreamedAnswer
from chatserver.generation.generations import Generations
from chatserver.protocol import commands
from chatserver.protocol.ai_sdk import MESSAGES
from chatserver.protocol.commands import InvalidCommand
from chatserver.protocol.completions import (
    MODEL,
    CompletionRequest,
    CompletionStream,
    SourceUrl,
    WholeCompletion,
    asked,
)
from chatserver.protocol.streams import Telling

_STOPS_ON_LEAVING: Final = "x-cancel-on-disconnect"
_IDEMPOTENCY: Final = "idempotency-key"


async def get_models(request: Request) -> Response:
    """One model: this server."""
    row = {"id": MODEL, "object": "model", "created": 0, "owned_by": MODEL}
    return JSONResponse({"object": "list", "data": [row]})


async def post_completion(request: Request) -> Response:
    """Asks the last message of a user. A client that leaves stops nothing, unless its header says so."""
    connections: ConnectionManager = request.app.state.system.connections
    body = await read_body(request, MESSAGES * connections.limits.max_message_bytes)
    try:
        wanted = commands.validated(CompletionRequest, commands.json_object(body))
        key = request.headers.get(_IDEMPOTENCY) or uuid.uuid4().hex
        ask = commands.validated(commands.Ask, {"type": "ask", **asked(wanted, key)})
        commands.check_question(ask, connections.limits.max_question_characters)
        meta = await connections.ask(identity_of(request), ask)
    except InvalidCommand as error:
        raise as_problem(error) from None
    return _told(request, meta, wanted)


def _told(request: Request, meta: AnswerMeta, wanted: CompletionRequest) -> StreamedAnswer:
    source_url = _source_urls(request, meta)
    if wanted.stream:
        head = Head(headers=dict(EVENT_STREAM))
        script = CompletionStream(meta, source_url, usage=wanted.wants_usage).script()
    else:
        head = Head(headers={"content-type": "application/json"}, at_once=False)
        script = WholeCompletion(meta, source_url, failed=partial(_fail, head)).script()
    head.headers[ANSWER_HEADER] = meta.answer
    generations: Generations = request.app.state.system.generations

    async def stop() -> None:
        await generations.stop(meta.question.user, meta.answer)

    stops = request.headers.get(_STOPS_ON_LEAVING, "").lower() in {"1", "true"}
    telling, connections = Telling(meta, script), request.app.state.system.connections
    return StreamedAnswer(connections, identity_of(request), telling, head, on_leave=stop if stops else None)


def _fail(head: Head) -> None:
    head.status = 502
    head.headers["x-should-retry"] = "false"  # the SDKs would ask once more, and be told the same


def _source_urls(request: Request, meta: AnswerMeta) -> SourceUrl:
    """Where the passages of an answer are read, at the address that the client has used."""
    namespace = meta.question.namespace
    query = f"?{urlencode({'namespace': namespace})}" if namespace else ""
    return lambda source: f"{request.base_url}v1/passages/{quote(source, safe='')}{query}"


ROUTES = [
    Door("/v1/models", get_models, about=gives(completions.Models)),
    Door(
        "/v1/chat/completions",
        post_completion,
        methods=["POST"],
        about=About(
            takes={JSON: CompletionRequest},
            gives={
                200: {JSON: completions.Completion, EVENTS: completions.CompletionEvent},
                502: {JSON: completions.CompletionFailure},
            },
            headers={
                _IDEMPOTENCY: "The same one again is the same question, told from its start.",
                _STOPS_ON_LEAVING: "`true`: who leaves ends the generation.",
            },
            tells={ANSWER_HEADER: "The answer's id."},
        ),
    ),
]
