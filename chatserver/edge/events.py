"""`GET /v1/answers/{answer}/events`: an answer as server-sent events, for `EventSource`, curl and others."""

from starlette.requests import Request
from starlette.responses import Response

from chatserver.answers.meta import AnswerMeta
from chatserver.edge.about import EVENTS, About
from chatserver.edge.answers import owned_answer
from chatserver.edge.description import documents
from chatserver.edge.doors import Door, identity_of
from chatserver.edge.streaming import EVENT_STREAM, Head, StreamedAnswer
from chatserver.protocol.streams import Telling, event_stream, has_all


async def get_events(request: Request) -> Response:
    """Each entry with its place as its id; with `Last-Event-ID` those after it. 204 to a client that has them all,
    which ends an `EventSource`."""
    return stream_events(request, await owned_answer(request, request.path_params["answer"]))


def stream_events(request: Request, meta: AnswerMeta) -> Response:
    place = request.headers.get("last-event-id")
    if has_all(meta, place):
        return Response(status_code=204)
    script, first = event_stream(meta, place)
    connections = request.app.state.system.connections
    telling, head = Telling(meta, script, first), Head(headers=dict(EVENT_STREAM))
    return StreamedAnswer(connections, identity_of(request), telling, head)


ABOUT_EVENTS = About(
    gives={200: {EVENTS: documents.AnswerEvent}, 204: None},
    headers={"last-event-id": "The place of the last event that the client has: what follows it comes."},
)

ROUTES = [Door("/v1/answers/{answer}/events", get_events, about=ABOUT_EVENTS)]
