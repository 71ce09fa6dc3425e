"""The AI SDK's default transport: `POST /api/chat` and what belongs to it, as streams of UI messages."""

import uuid

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chatserver.answers.document import read_chunks
from chatserver.answers.log import AnswerLog
from chatserver.answers.meta import AnswerMeta
from chatserver.delivery.manager import ConnectionManager
from chatserver.edge.about import EVENTS, JSON, About, Contents, gives
from chatserver.edge.answers import owned_chat
from chatserver.edge.bodies import as_problem, read_body
from chatserver.edge.description import documents
from chatserver.edge.doors import Door, identity_of
from chatserver.edge.streaming import EVENT_STREAM, Head, StreamedAnswer
from chatserver.generation.generations import Generations
from chatserver.protocol import commands
from chatserver.protocol.ai_sdk import MESSAGES
from chatserver.protocol.commands import InvalidCommand
from chatserver.protocol.streams import Telling, ui_stream
from chatserver.protocol.ui_messages import Body, ChatRequest, asked, messages_of

ANSWER_HEADER = "x-chatserver-answer"
"""Names the answer that a response tells."""
_HEADERS = {**EVENT_STREAM, "x-vercel-ai-ui-message-stream": "v1"}


class Turn(ChatRequest, Body):
    """What the transport sends, and beside it what an application adds."""


async def post_chat(request: Request) -> Response:
    """Asks the last message of a user and tells the answer. A client that leaves stops nothing."""
    connections: ConnectionManager = request.app.state.system.connections
    body = await read_body(request, MESSAGES * connections.limits.max_message_bytes)
    try:
        meta = await connections.ask(identity_of(request), _ask(body, connections.limits.max_question_characters))
    except InvalidCommand as error:
        raise as_problem(error) from None
    return _stream(request, meta)


async def get_stream(request: Request) -> Response:
    """The chat's newest answer from its start, as long as nobody has acknowledged it to its end."""
    newest = await _newest(request)
    if newest is None:
        return Response(status_code=204)
    return _stream(request, newest)


async def stop_stream(request: Request) -> Response:
    """Ends the generation of the chat's newest answer; what it has said stays."""
    generations: Generations = request.app.state.system.generations
    newest = await _newest(request)
    if newest is not None:
        await generations.stop(newest.question.user, newest.answer)
    return Response(status_code=204)


async def get_messages(request: Request) -> Response:
    """The chat as `useChat` takes it for its first messages; an answer under way is left to the stream."""
    answers: AnswerLog = request.app.state.system.answers
    messages = []
    for meta in await owned_chat(request):
        messages += messages_of(meta, await read_chunks(answers, meta) if meta.state.sealed else None)
    return JSONResponse({"messages": messages})


def _ask(body: bytes, max_characters: int) -> commands.Ask:
    value = commands.json_object(body)
    turn = commands.validated(Turn, value)
    fields = asked(turn, turn, fresh=uuid.uuid4().hex)
    ask = commands.validated(commands.Ask, {"type": "ask", **fields})
    commands.check_question(ask, max_characters)
    return ask


async def _newest(request: Request) -> AnswerMeta | None:
    pending = await owned_chat(request, undelivered=True)
    return max(pending, key=lambda meta: meta.question.asked_at, default=None)


def _stream(request: Request, meta: AnswerMeta) -> StreamedAnswer:
    head = Head(headers={**_HEADERS, ANSWER_HEADER: meta.answer})
    connections: ConnectionManager = request.app.state.system.connections
    return StreamedAnswer(connections, identity_of(request), Telling(meta, ui_stream(meta)), head, breaks_off=True)


_TELLS = {ANSWER_HEADER: "The answer's id.", "x-vercel-ai-ui-message-stream": "`v1`."}
_STREAM: Contents = {EVENTS: documents.AnswerEvent}
"""The last event is `[DONE]`."""

ROUTES = [
    Door(
        "/api/chat",
        post_chat,
        methods=["POST"],
        about=About(takes={JSON: Turn}, gives={200: _STREAM}, tells=_TELLS),
    ),
    Door("/api/chat/{chat:path}/stream", get_stream, about=About(gives={200: _STREAM, 204: None}, tells=_TELLS)),
    Door("/api/chat/{chat:path}/stream", stop_stream, methods=["DELETE"], about=About(gives={204: None})),
    Door("/api/chat/{chat:path}", get_messages, about=gives(documents.UiMessages)),
]
