"""Who may pass which door: every door of the application, as its owner, another user, with an expired token, as nobody.

A door without a row here fails, and so does a row without its door.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import httpx
import pytest
import pytest_asyncio
import websockets
from pydantic import SecretStr
from starlette.routing import BaseRoute, Mount
from websockets.asyncio.client import ClientConnection

from chatserver.app import create_app
from chatserver.cli.reach import own_server
from chatserver.edge.doors import Door
from chatserver.settings import Access, Model, Settings, Storage
from tests.access.tokens import KEY, token

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Row(NamedTuple):
    """What a door answers to its owner, another user, an expired token and nobody: a status, or on a socket the first
    event or the close code. `{answer}` and `{chat}` of the path are the owner's."""

    owner: int | str
    other: int | str
    expired: int | str
    nobody: int | str
    path: str = ""
    body: Any = None


PUBLIC = Row(200, 200, 200, 200)
OPERATOR = Row(403, 403, 401, 401)  # neither user is one
RESUME = {"type": "resume", "requestId": "r", "id": "hers"}
MESSAGE = {"id": "m", "role": "user", "parts": [{"type": "text", "text": "/script tokens=3"}]}
COMPLETION = {"model": "chatserver", "messages": [{"role": "user", "content": "/script tokens=3"}], "stream": True}
SOCKET = Row("welcome", "welcome", "4401", "4401")

MATRIX: Mapping[tuple[str, str], Row] = {
    ("GET", "/"): PUBLIC,
    ("GET", "/healthz"): PUBLIC,
    ("GET", "/readyz"): PUBLIC,
    ("GET", "/openapi.json"): PUBLIC,
    ("GET", "/asyncapi.json"): PUBLIC,
    ("GET", "/v1/session"): Row(200, 200, 401, 401),
    ("POST", "/v1/session"): Row(401, 401, 401, 401, body={"token": "proves.nothing"}),
    ("DELETE", "/v1/session"): Row(204, 204, 204, 204),
    ("GET", "/v1/answers/{answer}"): Row(200, 404, 401, 401),
    ("GET", "/v1/answers/{answer}/events"): Row(200, 404, 401, 401),
    ("POST", "/api/chat"): Row(200, 200, 401, 401, body={"id": "sdk", "messages": [MESSAGE]}),
    ("GET", "/api/chat/{chat:path}"): Row(200, 200, 401, 401, path="/api/chat/{chat}"),
    ("GET", "/api/chat/{chat:path}/stream"): Row(200, 204, 401, 401, path="/api/chat/{chat}/stream"),
    ("DELETE", "/api/chat/{chat:path}/stream"): Row(204, 204, 401, 401, path="/api/chat/{chat}/stream"),
    ("GET", "/v1/models"): Row(200, 200, 401, 401),
    ("POST", "/v1/chat/completions"): Row(200, 200, 401, 401, body=COMPLETION),
    ("GET", "/v1/chats"): Row(200, 200, 401, 401),
    ("GET", "/v1/chats/{chat:path}/answers"): Row(200, 200, 401, 401, path="/v1/chats/{chat}/answers"),
    ("GET", "/v1/passages/{passage:path}"): Row(404, 404, 401, 401, path="/v1/passages/none"),
    ("DELETE", "/v1/documents/{document:path}"): Row(404, 404, 401, 401, path="/v1/documents/none"),
    ("DELETE", "/v1/records/{collection}/{record:path}"): Row(404, 404, 401, 401, path="/v1/records/None/none"),
    ("POST", "/v1/search"): Row(200, 200, 401, 401, body={"queries": ["pump"]}),
    ("GET", "/v1/graph"): Row(200, 404, 401, 401, path="/v1/graph?answer={answer}"),
    ("POST", "/v1/ingest"): Row(422, 422, 401, 401, body={}),
    ("GET", "/v1/jobs"): Row(200, 200, 401, 401),
    # whose job it is decides as with answers: tests/ingest/test_jobs_http.py
    ("GET", "/v1/jobs/{job}"): Row(404, 404, 401, 401, path="/v1/jobs/job-none"),
    ("DELETE", "/v1/jobs/{job}"): Row(404, 404, 401, 401, path="/v1/jobs/job-none"),
    ("GET", "/v1/jobs/{job}/events"): Row(404, 404, 401, 401, path="/v1/jobs/job-none/events"),
    ("POST", "/v1/jobs/{job}/retry"): Row(404, 404, 401, 401, path="/v1/jobs/job-none/retry"),
    ("GET", "/v1/inflight"): OPERATOR,
    ("GET", "/metrics"): OPERATOR,
    ("WEBSOCKET", "/ws"): SOCKET,
    ("WEBSOCKET", "/ws/ai-sdk"): Row("start", "no-active", "4401", "4401", body=RESUME),
}


@dataclass
class Served:
    """A server with logins on a socket, and the answer that ada has asked for there."""

    url: str
    answer: str = ""
    chat: str = "hers"
    epoch: str = ""

    async def status(self, method: str, row: Row, path: str, headers: Mapping[str, str]) -> int | str:
        path = (row.path or path).format(answer=self.answer, chat=self.chat)
        if method == "WEBSOCKET":
            return await self.first_event(path, headers, say=row.body)
        async with (
            httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=60) as http,
            http.stream(method, path, json=row.body, headers=headers) as response,
        ):
            return response.status_code

    async def first_event(self, path: str, headers: Mapping[str, str], say: Any = None) -> str:
        async with self.socket(headers, path=path) as socket:
            try:
                if say is not None:
                    await socket.send(json.dumps(say))
                return str(json.loads(await socket.recv())["type"])
            except websockets.ConnectionClosed as closed:
                return str(closed.rcvd.code if closed.rcvd else 1006)

    def socket(self, headers: Mapping[str, str], *, path: str = "/ws", **options: Any) -> websockets.connect:
        url = self.url.replace("http", "ws", 1) + path
        options = {"subprotocols": ["chat.v1"], "open_timeout": 60, "close_timeout": 1, **options}
        return websockets.connect(url, additional_headers=dict(headers), compression=None, proxy=None, **options)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def doors() -> Iterator[tuple[str, str]]:
    """Every door of the application."""
    app = create_app(Settings())
    for middleware in app.user_middleware:
        if "door" in middleware.kwargs:
            yield "WEBSOCKET", str(middleware.kwargs["path"])
    for route in app.routes:
        if isinstance(route, Door):
            yield from ((method, route.path) for method in (route.methods or set()) - {"HEAD"})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    settings = Settings(
        storage=Storage(data_dir=tmp_path_factory.mktemp("data")),
        model=Model(name="scripted"),
        access=Access(token_keys=SecretStr(KEY)),
    )
    async with own_server(settings) as url:
        served = Served(url)
        async with served.socket(bearer(token("ada"))) as socket:
            await event(socket)
            await said(socket, type="ask", id="q", chat=served.chat, text="/script tokens=3")
            accepted = await event(socket)
            while (await event(socket))["type"] != "end":
                pass
        served.answer, served.epoch = accepted["answer"], accepted["epoch"]
        yield served


async def test_every_door_has_its_row() -> None:
    """The table and the application have the same doors."""
    assert set(doors()) == set(MATRIX)


async def test_every_route_is_a_door() -> None:
    """Nothing is served by a route that names nobody, but the page's files."""
    strangers: list[BaseRoute] = [route for route in create_app(Settings()).routes if not isinstance(route, Door)]
    assert [(type(route), getattr(route, "path", "")) for route in strangers] == [(Mount, "/assets")]


@pytest.mark.parametrize("who", ["owner", "other", "expired", "nobody"])
@pytest.mark.parametrize(("method", "path"), MATRIX)
async def test_the_matrix(served: Served, method: str, path: str, who: str) -> None:
    """Each door answers each of the four as the table says."""
    tokens = {"owner": token("ada"), "other": token("bob"), "expired": token("ada", ttl_s=-60)}
    headers = bearer(tokens[who]) if who in tokens else {}
    row = MATRIX[method, path]
    assert await served.status(method, row, path, headers) == getattr(row, who)


async def test_an_operator_passes_the_operators_doors(served: Served) -> None:
    """With `operator` in the token's scope."""
    for (method, path), row in MATRIX.items():
        if row == OPERATOR:
            assert await served.status(method, row, path, bearer(token("ada", operator=True))) == 200


async def test_what_is_another_users_is_nowhere(served: Served) -> None:
    """Their lists are empty, and a resume, an ack or a stop of another user's answer finds none."""
    headers = bearer(token("carol"))
    async with httpx.AsyncClient(base_url=served.url, headers=headers, trust_env=False, timeout=60) as http:
        assert (await http.get("/v1/chats")).json() == {"chats": [], "next": None}
        assert (await http.get(f"/v1/chats/{served.chat}/answers")).json() == {"answers": []}
    cursor = {"answer": served.answer, "epoch": served.epoch, "seq": 0}
    async with served.socket(headers) as socket:
        await socket.recv()
        await said(socket, type="resume", chat=served.chat, cursors=[cursor])
        (row,) = (await event(socket))["answers"]
        assert (row["answer"], row["verdict"]) == (served.answer, "gone")
        for command in ({"type": "ack", "seq": 0}, {"type": "stop"}):
            await said(socket, answer=served.answer, **command)
            assert (await event(socket))["code"] == "unknown_answer"


async def test_another_namespace_is_nowhere(served: Served) -> None:
    """A token without the namespace of an answer does not reach it, though it is of the same user; nor does it ask,
    search or look around there."""
    elsewhere = bearer(token("ada", namespaces=["elsewhere"]))
    async with httpx.AsyncClient(base_url=served.url, headers=elsewhere, trust_env=False, timeout=60) as http:
        assert (await http.get(f"/v1/answers/{served.answer}")).status_code == 404
        assert (await http.get(f"/v1/graph?answer={served.answer}")).status_code == 404
        assert (await http.get(f"/v1/chats/{served.chat}/answers")).json() == {"answers": []}
        assert (await http.get("/v1/chats")).json() == {"chats": [], "next": None}
        assert (await http.get(f"/v1/answers/{served.answer}/events")).status_code == 404
        assert (await http.get(f"/api/chat/{served.chat}")).json() == {"messages": []}
        assert (await http.get(f"/api/chat/{served.chat}/stream")).status_code == 204
        asked = await http.post("/api/chat", json={"id": "sdk", "messages": [MESSAGE]})
        assert asked.json()["code"] == "forbidden"
        for forbidden in ("/v1/passages/x", "/v1/graph?entity=x"):
            assert (await http.get(forbidden)).json()["code"] == "forbidden"
        assert (await http.post("/v1/search", json={"queries": ["x"]})).json()["code"] == "forbidden"
        found = await http.post("/v1/search", json={"queries": ["x"], "namespace": "elsewhere"})
        assert found.status_code == 200
    async with served.socket(elsewhere) as socket:
        await socket.recv()
        await said(socket, type="ask", id="q", chat="c", text="hello")
        assert (await event(socket))["code"] == "forbidden"
        await said(socket, type="resume", chat=served.chat)
        assert (await event(socket))["answers"] == []
        await said(socket, type="stop", answer=served.answer)
        assert (await event(socket))["code"] == "unknown_answer"


async def test_a_token_by_cookie(served: Served) -> None:
    """`POST /v1/session` keeps it where no script reads it; with it the doors and the socket open, and `DELETE` ends
    that."""
    async with httpx.AsyncClient(base_url=served.url, trust_env=False, timeout=60) as http:
        begun = await http.post("/v1/session", json={"token": token("ada")})
        cookie = begun.headers["set-cookie"]
        assert begun.json()["user"] == "ada"
        assert re.search(r"; HttpOnly; Max-Age=\d+; Path=/; SameSite=strict$", cookie)
        assert (await http.get(f"/v1/answers/{served.answer}")).status_code == 200
        assert await served.first_event("/ws", {"Cookie": cookie.partition(";")[0]}) == "welcome"
        await http.delete("/v1/session")
        assert (await http.get("/v1/session")).status_code == 401


async def test_a_cookie_is_for_tls_alone_elsewhere(served: Served) -> None:
    """Only the browser's own machine gets it without `Secure`."""
    async with httpx.AsyncClient(
        base_url=served.url, headers={"Host": "chat.example"}, trust_env=False, timeout=60
    ) as http:
        begun = await http.post("/v1/session", json={"token": token("ada")})
        assert begun.headers["set-cookie"].endswith("; SameSite=strict; Secure")


async def test_a_cookie_does_nothing_for_another_page(served: Served) -> None:
    """A form or script of elsewhere, which the browser sends the cookie with, changes nothing and opens no socket."""
    foreign = {"Origin": "https://evil.example", "Cookie": f"chatserver_token={token('ada')}"}
    async with httpx.AsyncClient(base_url=served.url, headers=foreign, trust_env=False, timeout=60) as http:
        refused = await http.post("/v1/search", json={"queries": ["x"]})
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert (await http.delete("/v1/session")).status_code == 403
    assert await served.first_event("/ws", foreign) == "4403"


async def test_a_token_by_subprotocol(served: Served) -> None:
    """A browser offers it beside `chat.v1`, which is what the server chooses: the token is never sent back."""
    async with served.socket({}, subprotocols=["chat.v1", f"bearer.{token('ada')}"]) as socket:
        assert (await event(socket))["type"] == "welcome"
        assert socket.subprotocol == "chat.v1"


async def test_what_is_no_token(served: Served) -> None:
    """401 with what is wrong in words, and a challenge."""
    for proof in ("Bearer nonsense", f"Bearer {token('ada', key='y' * 40)}", f"Bearer {token('ada')}x"):
        async with httpx.AsyncClient(base_url=served.url, trust_env=False, timeout=60) as http:
            refused = await http.get("/v1/chats", headers={"Authorization": proof})
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
        assert refused.headers["www-authenticate"] == "Bearer"


async def said(socket: ClientConnection, **command: Any) -> None:
    await socket.send(json.dumps(command))


async def event(socket: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(60):
        told: dict[str, Any] = json.loads(await socket.recv())
    return told
