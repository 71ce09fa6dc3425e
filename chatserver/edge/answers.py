"""HTTP doors to answers and chats."""

from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from chatserver.answers.branches import told_after
from chatserver.answers.document import read_document
from chatserver.answers.log import AnswerLog, ChatPlace, ChatSummary
from chatserver.answers.meta import AnswerMeta
from chatserver.edge.about import gives
from chatserver.edge.description import documents
from chatserver.edge.doors import Door, identity_of, user_of
from chatserver.edge.problems import Problem
from chatserver.protocol.codes import ErrorCode

_CHATS = 200


async def document(answers: AnswerLog, meta: AnswerMeta) -> dict[str, Any]:
    """An answer as one JSON document."""
    shown = await read_document(answers, meta)
    return {
        "answer": meta.answer,
        "chat": meta.question.chat,
        "question": meta.question.text,
        "after": told_after(meta),
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


async def owned_answer(request: Request, id: str) -> AnswerMeta:
    """The user's answer. Raises `Problem`: another user's is exactly like one that does not exist."""
    answers: AnswerLog = request.app.state.system.answers
    meta = await answers.meta(id)
    if meta is None or not identity_of(request).owns(meta.question):
        raise Problem(404, ErrorCode.UNKNOWN_ANSWER, "You have no such answer.")
    return meta


async def get_answer(request: Request) -> Response:
    """One answer."""
    answers: AnswerLog = request.app.state.system.answers
    meta = await owned_answer(request, request.path_params["answer"])
    timeline = {"received": meta.question.asked_at, **await answers.timeline(meta.answer)}
    return JSONResponse({**await document(answers, meta), "timeline": timeline})


async def owned_chat(request: Request, *, undelivered: bool = False) -> list[AnswerMeta]:
    """The answers of the chat that the path names, as far as they are the user's."""
    answers: AnswerLog = request.app.state.system.answers
    metas = await answers.chat(user_of(request), request.path_params["chat"], undelivered=undelivered)
    return [meta for meta in metas if identity_of(request).owns(meta.question)]


async def get_chat(request: Request) -> Response:
    """The answers of a chat, oldest first; `undelivered` leaves out those that were acknowledged to their end."""
    answers: AnswerLog = request.app.state.system.answers
    undelivered = request.query_params.get("undelivered", "false").lower() in {"1", "true"}
    owned = await owned_chat(request, undelivered=undelivered)
    return JSONResponse({"answers": [await document(answers, meta) for meta in owned]})


async def get_chats(request: Request) -> Response:
    """Your chats, last used first, a page of them: shorter than asked where chats of other namespaces are left out."""
    answers: AnswerLog = request.app.state.system.answers
    limit, after = _page_of(request)
    summaries = await answers.chats(user_of(request), limit + 1, after)
    page = summaries[:limit]
    following = f"{page[-1].updated_at!r}:{page[-1].chat}" if len(summaries) > limit else None
    if identity_of(request).namespaces is not None:
        page = [theirs for chat in page if (theirs := await _owned_part(request, chat)) is not None]
    return JSONResponse(
        {
            "chats": [
                {"chat": chat.chat, "title": chat.title, "updated_at": chat.updated_at, "answers": chat.answers}
                for chat in page
            ],
            "next": following,
        }
    )


def _page_of(request: Request) -> tuple[int, ChatPlace | None]:
    """How many, and after which. Raises `Problem`."""
    try:
        query = ChatsQuery.model_validate(dict(request.query_params))
        if query.after is None:
            return query.limit, None
        time, _, chat = query.after.partition(":")
        return query.limit, ChatPlace(float(time), chat)
    except ValueError:
        detail = f"`limit` is a number from 1 to {_CHATS}, `after` the `next` of the page before."
        raise Problem(422, ErrorCode.INVALID_FIELD, detail) from None


async def _owned_part(request: Request, chat: ChatSummary) -> ChatSummary | None:
    """Of a chat what was asked in namespaces of theirs."""
    answers: AnswerLog = request.app.state.system.answers
    metas = await answers.chat(user_of(request), chat.chat)
    owned = [meta for meta in metas if identity_of(request).owns(meta.question)]
    if not owned:
        return None
    return replace(chat, title=owned[0].question.text, answers=len(owned))


class ChatsQuery(BaseModel):
    limit: Annotated[int, Field(ge=1, le=_CHATS)] = _CHATS
    after: Annotated[str, Field(pattern=r"^\d+(\.\d+)?(e[+-]?\d+)?:", max_length=1_000)] | None = None
    """The `next` of the page before."""


class ChatQuery(TypedDict, total=False):
    undelivered: bool


ROUTES = [
    Door("/v1/answers/{answer}", get_answer, about=gives(documents.Answer)),
    Door("/v1/chats", get_chats, about=gives(documents.Chats, query=ChatsQuery)),
    Door("/v1/chats/{chat:path}/answers", get_chat, about=gives(documents.ChatAnswers, query=ChatQuery)),
]
