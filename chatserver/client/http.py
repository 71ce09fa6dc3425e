"""The server's HTTP doors: finished answers and search."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from chatserver.client.connection import is_loopback
from chatserver.client.errors import ProtocolError, Rejected, Unreachable
from chatserver.client.token import Token
from chatserver.client.transcript import Answer, from_document

if TYPE_CHECKING:
    from httpx import AsyncClient, Response


@dataclass(frozen=True, slots=True)
class ChatSummary:
    """`title` is the first question, `updated_at` the time of the last one in seconds since the Unix epoch."""

    chat: str
    title: str
    updated_at: float
    answers: int


class Doors:
    """httpx is imported and connected with the first call: most clients only talk over the WebSocket."""

    def __init__(self, url: str, token: Token, *, timeout_s: float) -> None:
        self._url = url
        self._token = token
        self._timeout_s = timeout_s
        self._http: AsyncClient | None = None

    async def aclose(self) -> None:
        if self._http is not None:
            await self._http.aclose()

    async def answer(self, id: str) -> Answer:
        return _answer(await self._call("GET", f"/v1/answers/{_quoted(id)}"))

    async def answers(self, chat: str) -> list[Answer]:
        document = await self._call("GET", f"/v1/chats/{_quoted(chat)}/answers")
        return [_answer(answer) for answer in document["answers"]]

    async def chats(self) -> AsyncIterator[ChatSummary]:
        query = ""
        while True:
            document = await self._call("GET", f"/v1/chats{query}")
            for chat in document["chats"]:
                yield ChatSummary(chat["chat"], chat["title"], chat["updated_at"], chat["answers"])
            if document.get("next") is None:
                return
            query = f"?{urlencode({'after': document['next']})}"

    async def search(self, text: str, *, top_k: int | None, namespace: str) -> list[dict[str, Any]]:
        query: dict[str, Any] = {"queries": [text], "namespace": namespace}
        if top_k is not None:
            query["top_k"] = top_k
        result = (await self._call("POST", "/v1/search", query))["results"][0]
        if result.get("error"):
            raise Rejected("search_failed", str(result["error"]))
        passages: list[dict[str, Any]] = result["passages"]
        return passages

    async def delete(self, id: str, *, collection: str | None, namespace: str) -> bool:
        place = (
            f"/v1/documents/{_quoted(id)}" if collection is None else f"/v1/records/{_quoted(collection)}/{_quoted(id)}"
        )
        try:
            await self._call("DELETE", f"{place}?{urlencode({'namespace': namespace})}")
        except Rejected as refused:
            if refused.code == "not_found":
                return False
            raise
        return True

    async def graph(self, query: Mapping[str, str | int | None]) -> dict[str, Any]:
        asked = urlencode({name: value for name, value in query.items() if value is not None})
        document: dict[str, Any] = await self._call("GET", f"/v1/graph?{asked}")
        return document

    async def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        import httpx

        if self._http is None:
            self._http = httpx.AsyncClient(
                base_url=self._url, timeout=self._timeout_s, trust_env=not is_loopback(self._url)
            )
        try:
            response = await self._http.request(method, path, json=body, headers=self._token.headers())
        except httpx.HTTPError as error:
            raise Unreachable(f"{self._url} does not answer") from error
        if response.is_error:
            raise _problem(response)
        try:
            return response.json()
        except ValueError:
            raise ProtocolError(f"{path} did not answer with JSON") from None


def _answer(document: Mapping[str, Any]) -> Answer:
    try:
        return from_document(document)
    except (KeyError, TypeError) as error:
        raise ProtocolError(f"an answer's document lacks {error}") from None


def _problem(response: "Response") -> Rejected:
    """RFC 9457; a proxy in between may answer in its own way."""
    try:
        problem = response.json()
        return Rejected(str(problem["code"]), str(problem.get("detail") or problem["title"]))
    except (ValueError, KeyError, TypeError):
        return Rejected(f"http_{response.status_code}", f"the server answered HTTP {response.status_code}")


def _quoted(segment: str) -> str:
    return quote(segment, safe="")
