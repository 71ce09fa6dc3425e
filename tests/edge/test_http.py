"""HTTP doors: documents of one's own, problem documents for everything else."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from chatserver import __version__
from chatserver.answers.log import LogUnavailable
from chatserver.answers.meta import NewAnswer
from chatserver.settings import Neo4j, Settings
from retrieval.types import Document
from tests.edge.conftest import Doors
from tests.edge.many_chats import add_chats

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCRIPT = "/script tokens=5"


def problem(response: httpx.Response) -> tuple[int, str]:
    """Status and code of what must be a problem document, without the server's insides."""
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body.keys() == {"type", "status", "code", "detail"}
    assert body["status"] == response.status_code
    assert body["detail"]
    assert not any(word in response.text for word in ("Traceback", "sqlite", "pydantic", "File "))
    return response.status_code, body["code"]


async def answered(doors: Doors, answer: str, *, user: str = "ada", chat: str = "c1", text: str = SCRIPT) -> None:
    await doors.system.generations.ask(NewAnswer(answer, "e1", user, chat, f"ask-{answer}", text, 1.0))
    async with asyncio.timeout(60):
        while (meta := await doors.system.answers.meta(answer)) is None or not meta.state.sealed:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_five_thousand_chats_come_in_pages(doors: Doors) -> None:
    """No page is longer than asked, or than 200; together they are all, once, the last used first; what is no page is
    refused in words."""
    everyone = await asyncio.to_thread(add_chats, doors.system.settings.storage.data_dir, "eve", 5_000)
    read: list[str] = []
    longest = 0
    query: str | None = ""
    while query is not None:
        page = (await doors.get(f"/v1/chats{query}", user="eve")).json()
        read += [chat["chat"] for chat in page["chats"]]
        longest = max(longest, len(page["chats"]))
        query = f"?{urlencode({'after': page['next']})}" if page["next"] else None
    assert (read, longest) == (everyone, 200)
    few = (await doors.get("/v1/chats?limit=3", user="eve")).json()
    assert [chat["title"] for chat in few["chats"]] == ["Question 4999?", "Question 4998?", "Question 4997?"]
    for wrong in ("limit=0", "limit=201", "limit=x", "limit=%C2%B2", "after=x", "after=nan:c", "after=1"):
        assert problem(await doors.get(f"/v1/chats?{wrong}", user="eve")) == (422, "invalid_field")


async def test_an_answer_is_one_document(doors: Doors) -> None:
    """Question, state, text, sources, citations and the times of its life."""
    await answered(doors, "a1")
    response = await doors.get("/v1/answers/a1")
    assert response.status_code == 200
    document = response.json()
    assert (document["answer"], document["chat"], document["question"]) == ("a1", "c1", SCRIPT)
    assert (document["state"], document["acknowledged"], document["error"]) == ("completed", -1, None)
    assert document["text"]
    assert {"sources", "citations", "notices", "data", "epoch", "head"} <= document.keys()
    assert document["timeline"]["received"] == 1.0
    assert {"claimed", "sealed"} <= document["timeline"].keys()


async def test_another_users_answer_is_not_found(doors: Doors) -> None:
    """Exactly as one that does not exist; nor is it in their chats."""
    await answered(doors, "hers")
    there, nowhere = await doors.get("/v1/answers/hers", user="bob"), await doors.get("/v1/answers/no", user="bob")
    assert problem(there) == problem(nowhere) == (404, "unknown_answer")
    assert there.json() == nowhere.json()
    assert (await doors.get("/v1/chats/c1/answers", user="bob")).json() == {"answers": []}
    assert (await doors.get("/v1/chats", user="bob")).json() == {"chats": [], "next": None}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/answers/a1"),
        ("GET", "/v1/answers/nothing"),
        ("GET", "/v1/chats"),
        ("GET", "/v1/chats/c1/answers"),
        ("POST", "/v1/search"),
        ("GET", "/v1/passages/x"),
    ],
)
async def test_an_unknown_user_is_asked_to_authenticate(doors: Doors, method: str, path: str) -> None:
    """Before anything is looked up: the reply does not tell what exists."""
    await answered(doors, "a1")
    assert problem(await doors.request(method, path, user=None)) == (401, "unauthenticated")


async def test_a_chat_and_what_of_it_is_undelivered(doors: Doors) -> None:
    """Oldest question first; an acknowledged one is left out when only the undelivered are asked for."""
    for answer in ("t1", "t2"):
        await answered(doors, answer, chat="talk")
    meta = await doors.system.answers.meta("t1")
    assert meta is not None
    await doors.system.answers.acknowledge("ada", "t1", meta.head - 1)

    async def listed(query: str) -> list[str]:
        response = await doors.get(f"/v1/chats/talk/answers{query}")
        return [document["answer"] for document in response.json()["answers"]]

    assert await listed("") == ["t1", "t2"]
    assert await listed("?undelivered=true") == ["t2"]
    assert await listed("?undelivered=0") == ["t1", "t2"]


@pytest.mark.parametrize("chat", ["a/b", "é «x»", "%2F", "..", "a b?c#d"])
async def test_a_chat_of_any_name_can_be_asked_for(doors: Doors, chat: str) -> None:
    """A client names its chats as it likes, and finds them again."""
    await answered(doors, f"odd-{chat}", chat=chat)
    url = httpx.URL("http://server/v1/chats/").copy_with(raw_path=f"/v1/chats/{quoted(chat)}/answers".encode())
    response = await doors.get(str(url))
    assert [document["chat"] for document in response.json()["answers"]] == [chat]


def quoted(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


async def test_the_chats_of_a_user(doors: Doors) -> None:
    """Last used first, with title and count."""
    await answered(doors, "m1", user="mia", chat="one", text="/script tokens=1 first")
    await answered(doors, "m2", user="mia", chat="one")
    (chat,) = (await doors.get("/v1/chats", user="mia")).json()["chats"]
    assert chat == {"chat": "one", "title": "/script tokens=1 first", "updated_at": 1.0, "answers": 2}


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/nothing", (404, "not_found")),
        ("GET", "/v1/passages/nothing", (404, "not_found")),
        ("GET", "/assets/nothing.js", (404, "not_found")),
        ("GET", "/assets/%2e%2e/app.py", (404, "not_found")),
        ("GET", "/v1/search", (405, "method_not_allowed")),
        ("POST", "/v1/answers/a1", (405, "method_not_allowed")),
        ("DELETE", "/healthz", (405, "method_not_allowed")),
    ],
)
async def test_what_starlette_refuses_is_a_problem_too(
    doors: Doors, method: str, path: str, expected: tuple[int, str]
) -> None:
    """No such path, no such method."""
    response = await doors.request(method, path)
    assert problem(response) == expected
    assert ("allow" in response.headers) == (response.status_code == 405)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_field"),
        (b"{", "invalid_field"),
        (b"\xff\xfe", "invalid_field"),
        (b"[]", "invalid_field"),
        (b"{}", "invalid_field"),
        (b'{"queries": []}', "invalid_field"),
        (b'{"queries": [1]}', "invalid_field"),
        (b'{"queries": ["x"], "top_k": 0}', "invalid_field"),
        (b'{"queries": ["x"], "top_k": "3"}', "invalid_field"),
        (b'{"queries": ["' + b"x" * 16_001 + b'"]}', "invalid_field"),
        (b'{"queries": [' + b",".join([b'"x"'] * 101) + b"]}", "invalid_field"),
        (b'{"queries": ["x"], "filter": {"$where": 1}}', "invalid_filter"),
        (b'{"queries": ["x"], "filter": ' + b'{"a":' * 500 + b"1" + b"}" * 500 + b"}", "invalid_field"),
    ],
)
async def test_a_bad_search_is_unprocessable(doors: Doors, body: bytes, code: str) -> None:
    """422 with the code of what is wrong."""
    assert problem(await doors.request("POST", "/v1/search", content=body)) == (422, code)


async def test_a_search_too_large_is_refused_before_it_is_read(doors: Doors) -> None:
    """413 after some of it: a body without an end does not fill the memory."""
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while taken < 100 << 20:
            taken += 1 << 20
            yield b" " * (1 << 20)

    assert problem(await doors.request("POST", "/v1/search", content=endless())) == (413, "message_too_large")
    assert taken < 20 << 20


async def test_a_search_of_nothing_known_is_empty(doors: Doors) -> None:
    """An empty corpus is no error: each query has its own, empty, result."""
    response = await doors.request("POST", "/v1/search", json={"queries": ["pump", "cool\x00ing \U0001f9ca"]})
    assert response.status_code == 200
    body = response.json()
    assert [(each["query"], each["passages"]) for each in body["results"]] == [
        ("pump", []),
        ("cool\x00ing \U0001f9ca", []),
    ]
    assert (body["success_rate"], body["empty_contexts"]) == (1.0, 2)


async def test_a_search_tells_why_each_passage_is_there(doors: Doors) -> None:
    """Its place in each leg that found it, and from which passage it is reached by which link; in words too."""
    documents = [
        Document("p1", "Pump P-101", "It circulates the coolant. It is driven by Motor M-5."),
        Document("m5", "Motor M-5", "A three-phase machine, wound in Delft."),
    ]
    await doors.system.knowledge.ingestion.ingest_documents(documents, "why")
    body = {"queries": ["Where was the motor of Pump P-101 wound?"], "namespace": "why"}
    (result,) = (await doors.request("POST", "/v1/search", json=body)).json()["results"]
    found = {passage["id"]: passage for passage in result["passages"]}
    assert found["p1"]["ranks"].keys() == {"vector", "keyword", "graph"}
    assert found["p1"]["ranks"]["graph"] == 1
    link = {"source": "p1", "title": "Pump P-101", "kind": "title", "name": "Motor M-5"}
    assert found["m5"]["via"] == link
    assert "expansion: «Motor M-5», named in «Pump P-101»" in found["m5"]["why"]
    assert any(why.startswith("vector #") for why in found["m5"]["why"])


async def test_alive_and_ready(doors: Doors) -> None:
    """Both without a user, who is told nothing of what it rests on."""
    alive = await doors.get("/healthz", user=None)
    assert (alive.status_code, alive.json()) == (200, {"status": "ok", "version": __version__})
    ready = await doors.get("/readyz", user=None)
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})


async def test_operators_are_told_what_it_rests_on(doors: Doors) -> None:
    """The log with the time that it took, each upstream with its breaker, and what is done here."""
    told = (await doors.get("/readyz")).json()["dependencies"]
    assert told.keys() == {"log", "model", "decisions", "embeddings", "vectors", "graph"}
    assert (told["log"]["kind"], told["log"]["up"]) == ("sqlite", True)
    assert told["log"]["ms"] >= 0
    assert told["vectors"] == {"kind": "embedded", "up": True}


async def test_an_upstream_that_is_left_alone(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    """An open breaker says that it is down; questions are taken all the same."""
    monkeypatch.setattr(doors.system, "settings", Settings(neo4j=Neo4j(uri="bolt://127.0.0.1:1")))
    guard = doors.system.knowledge.upstreams.graph
    for _ in range(5):
        with pytest.raises(RuntimeError):
            await guard.call(failing(RuntimeError("away")))
    ready = await doors.get("/readyz")
    assert ready.json()["dependencies"]["graph"] == {"kind": "neo4j", "up": False, "breaker": "open"}
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")


async def test_not_ready_while_draining(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    """503, and alive all the same."""
    monkeypatch.setattr(doors.system, "draining", True)
    ready = await doors.get("/readyz", user=None)
    assert (ready.status_code, ready.json()) == (503, {"status": "draining"})
    assert (await doors.get("/healthz", user=None)).status_code == 200


def failing(error: Exception) -> Callable[..., Coroutine[Any, Any, Any]]:
    async def fail(*_: object, **__: object) -> Any:
        raise error

    return fail


async def test_a_log_that_is_away_is_unavailable(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with `Retry-After`, not ready, and still alive."""
    for method in ("meta", "chat", "claimable"):
        monkeypatch.setattr(doors.system.answers, method, failing(LogUnavailable("disk I/O error in sqlite")))
    for path in ("/v1/answers/a1", "/v1/chats/c1/answers"):
        response = await doors.get(path)
        assert problem(response) == (503, "unavailable")
        assert int(response.headers["retry-after"]) >= 1
    ready = await doors.get("/readyz", user=None)
    assert (ready.status_code, ready.json()) == (503, {"status": "not ready"})
    told = (await doors.get("/readyz")).json()["dependencies"]["log"]
    assert (told["kind"], told["up"]) == ("sqlite", False)
    assert (await doors.get("/healthz", user=None)).status_code == 200


async def test_a_bug_tells_nothing_of_itself(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    """500, without the exception's words."""
    monkeypatch.setattr(doors.system.answers, "meta", failing(RuntimeError("secret sqlite path")))
    assert problem(await doors.get("/v1/answers/a1")) == (500, "internal")


async def test_what_is_in_flight(doors: Doors) -> None:
    """The generations that run here with owner and progress, gone once they have ended."""
    new = NewAnswer("slow", "e1", "ada", "c9", "ask-slow", "/script tokens=1000 delay_ms=20", 1.0)
    await doors.system.generations.ask(new)
    seen = await inflight(doors, 1)
    assert [(each["answer"], each["chat"], each["user"]) for each in seen] == [("slow", "c9", "ada")]
    await doors.system.generations.stop("ada", "slow")
    assert await inflight(doors, 0) == []


async def inflight(doors: Doors, count: int) -> list[dict[str, Any]]:
    """What the door tells, once there are so many generations."""
    async with asyncio.timeout(60):
        while True:
            seen: list[dict[str, Any]] = (await doors.get("/v1/inflight")).json()["generations"]
            if len(seen) == count:
                return seen
            await asyncio.sleep(0.005)


async def test_the_page_has_its_policy(doors: Doors) -> None:
    """Page and assets forbid foreign scripts and framing."""
    for path in ("/", "/assets/index.html"):
        response = await doors.get(path)
        assert response.status_code == 200
        assert "default-src 'self'" in response.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
        assert response.headers["x-content-type-options"] == "nosniff"
