"""HTTP doors to answers and chats."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chatserver.answers.document import read_document
from chatserver.answers.log import AnswerLog
from chatserver.answers.meta import AnswerMeta
from chatserver.edge.identity import Identify
from chatserver.edge.problems import Problem
from chatserver.protocol.codes import ErrorCode

_CHATS = 200


def user_of(request: Request) -> str:
    identify: Identify = request.app.state.identify
    user = identify(request.scope)
    if user is None:
        raise Problem(401, ErrorCode.UNAUTHENTICATED, "Authenticate first.")
    return user


async def document(answers: AnswerLog, meta: AnswerMeta) -> dict[str, Any]:
    """An answer as one JSON document."""
    shown = await read_document(answers, meta)
    return {
        "answer": meta.answer,
        "chat": meta.question.chat,
        "question": meta.question.text,
        "asked_at": meta.question.asked_at,
        "state": meta.state,
        "epoch": meta.epoch,
        "head": meta.head,
        "acknowledged": meta.acknowledged,
        "text": shown.text,
        "sources": shown.sources,
        "citations": shown.citations,
        "notices": shown.notices,
        "data": shown.data,
        "error": shown.error,
    }


async def get_answer(request: Request) -> Response:
    user = user_of(request)
    answers: AnswerLog = request.app.state.system.answers
    meta = await answers.meta(request.path_params["answer"])
    if meta is None or meta.question.user != user:
        raise Problem(404, ErrorCode.UNKNOWN_ANSWER, "You have no such answer.")
    timeline = {"received": meta.question.asked_at, **await answers.timeline(meta.answer)}
    return JSONResponse({**await document(answers, meta), "timeline": timeline})


async def get_chat(request: Request) -> Response:
    answers: AnswerLog = request.app.state.system.answers
    undelivered = request.query_params.get("undelivered", "false").lower() in {"1", "true"}
    metas = await answers.chat(user_of(request), request.path_params["chat"], undelivered=undelivered)
    return JSONResponse({"answers": [await document(answers, meta) for meta in metas]})


async def get_chats(request: Request) -> Response:
    answers: AnswerLog = request.app.state.system.answers
    summaries = await answers.chats(user_of(request), _CHATS)
    return JSONResponse(
        {
            "chats": [
                {"chat": chat.chat, "title": chat.title, "updated_at": chat.updated_at, "answers": chat.answers}
                for chat in summaries
            ]
        }
    )


ROUTES = [
    Route("/v1/answers/{answer}", get_answer),
    Route("/v1/chats", get_chats),
    Route("/v1/chats/{chat:path}/answers", get_chat),
]
