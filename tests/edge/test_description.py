"""OpenAPI and AsyncAPI: valid, complete, and what a real server says fits them to the last field."""

import json
import re
import signal
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from websockets.sync.client import ClientConnection, connect

from chatserver.app import create_app
from chatserver.edge.description.asyncapi import asyncapi
from chatserver.edge.description.entries import Entry
from chatserver.edge.description.openapi import openapi
from chatserver.edge.description.schemas import components
from chatserver.edge.doors import Door
from chatserver.protocol import chunks
from tests.edge.held import Channel, Http, check
from tests.page.server import Server
from tests.test_docs import examples

WAIT_S = 60.0
PUMP = {"id": "pump", "title": "Pump", "text": "The pump P-101 moves glycol. Its bearing is part BR-204."}
ALARM = {"collection": "Alarm", "id": "A-1", "fields": {"equipment": "P-101", "severity": "critical"}}
QUESTION = "Which part is the bearing of P-101?"


def doors() -> list[Door]:
    return [route for route in create_app().routes if isinstance(route, Door)]


@pytest.fixture(scope="module")
def knowing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """It answers from what is ingested."""
    server = Server(tmp_path_factory.mktemp("knowing") / "data", "extractive")
    yield server
    server.end()


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """It says what it is told to."""
    server = Server(tmp_path_factory.mktemp("scripted") / "data", "scripted")
    yield server
    server.end()


def test_openapi_is_valid() -> None:
    """By the standard's own validator."""
    assert list(OpenAPIV31SpecValidator(openapi(doors())).iter_errors()) == []


def test_the_server_gives_its_descriptions(scripted: Server) -> None:
    """To anybody, as they are made here."""
    with httpx.Client(base_url=scripted.url, trust_env=False, timeout=60) as http:
        assert http.get("/openapi.json").json() == json.loads(json.dumps(openapi(doors())))
        assert http.get("/asyncapi.json").json() == json.loads(json.dumps(asyncapi()))


def told_by_hand() -> list[chunks.Chunk]:
    """Whatever `chatserver.protocol.chunks` writes."""
    cited = chunks.citation("s1", "Pump", 0, 4, "P-101")
    return [
        chunks.start("a1"),
        chunks.start_step(),
        chunks.finish_step(),
        chunks.reset_step(),
        chunks.text_start("text"),
        chunks.text_delta("text", "P-101"),
        chunks.text_end("text"),
        chunks.text_end("text", [cited]),
        chunks.source_document("s1", "Pump"),
        chunks.data("notice", {"code": "no_model", "message": "No model."}),
        chunks.data("problems", [{"code": "empty", "message": "Nothing in it.", "file": "a.md", "line": 0}]),
        chunks.error("It went wrong.", "internal"),
        chunks.abort("stopped"),
        chunks.finish(),
    ]


@pytest.mark.parametrize("chunk", told_by_hand(), ids=lambda chunk: chunk["type"])
def test_what_is_written_is_what_is_described(chunk: chunks.Chunk) -> None:
    """Each kind of entry."""
    made, schemas = components({"entry": ("given", Entry)})
    check(made["entry"], {"schemas": schemas}, chunk)


@pytest.mark.parametrize("frame", examples("client"))
def test_a_command_of_the_protocol_page_fits(frame: str) -> None:
    """PROTOCOL.md and AsyncAPI tell the same commands."""
    Channel(asyncapi(), "chat").sent(json.loads(frame))


@pytest.mark.parametrize("frame", examples("server"))
def test_an_event_of_the_protocol_page_fits(frame: str) -> None:
    """And the same events."""
    Channel(asyncapi(), "chat").told(frame)


def ingested(http: Http) -> str:
    """A job, watched to its end."""
    body = {"documents": [PUMP, {"id": "empty", "text": ""}], "records": [ALARM]}
    job: str = http.call("POST", "/v1/ingest", expect=202, json=body).json()["job_id"]
    http.call("GET", "/v1/jobs/{job}/events", path={"job": job})
    assert http.call("GET", "/v1/jobs/{job}", path={"job": job}).json()["status"] == "completed"
    return job


def asked(http: Http, text: str, chat: str) -> str:
    """The answer's id, once it is told."""
    message = {"id": f"m-{chat}", "role": "user", "parts": [{"type": "text", "text": text}]}
    told = http.call("POST", "/api/chat", json={"id": chat, "messages": [message]})
    answer: str = told.headers["x-chatserver-answer"]
    return answer


def read_everything(http: Http) -> None:
    """Doors that only tell."""
    for door in ("/", "/healthz", "/readyz", "/openapi.json", "/asyncapi.json", "/v1/models", "/v1/chats"):
        http.call("GET", door)
    for door in ("/v1/jobs", "/v1/session", "/v1/inflight", "/metrics"):
        http.call("GET", door)
    http.call("POST", "/v1/search", json={"queries": [QUESTION, "glycol"]})
    http.call("POST", "/v1/search", expect=422, json={"queries": []})
    http.call("GET", "/v1/graph", params={"entity": "P-101"})
    http.call("GET", "/v1/graph", expect=404, params={"entity": "nothing of the kind"})


def read_an_answer(http: Http) -> None:
    """One answer through each of its doors."""
    answer = asked(http, QUESTION, "c1")
    document = http.call("GET", "/v1/answers/{answer}", path={"answer": answer}).json()
    assert document["citations"]
    assert document["data"]["grounding"]
    passage = next(source for source in document["sources"] if not source["sourceId"].startswith("record:"))
    http.call("GET", "/v1/passages/{passage}", path={"passage": passage["sourceId"]})
    http.call("GET", "/v1/graph", params={"answer": answer})
    http.call("GET", "/v1/chats/{chat}/answers", path={"chat": "c1"}, params={"undelivered": "true"})
    http.call("GET", "/api/chat/{chat}", path={"chat": "c1"})
    http.call("GET", "/api/chat/{chat}/stream", path={"chat": "c1"})
    http.call("GET", "/api/chat/{chat}/stream", expect=204, path={"chat": "nobody's"})
    http.call("DELETE", "/api/chat/{chat}/stream", expect=204, path={"chat": "c1"})
    http.call("GET", "/v1/answers/{answer}/events", path={"answer": answer})
    place = {"last-event-id": f"{document['epoch']}:{document['head'] - 1}"}
    http.call("GET", "/v1/answers/{answer}/events", expect=204, path={"answer": answer}, headers=place)
    http.call("GET", "/v1/answers/{answer}", expect=404, path={"answer": "nobody's"})


def complete(http: Http) -> None:
    """Chat completions, streamed or not."""
    body = {"model": "chatserver", "messages": [{"role": "user", "content": QUESTION}]}
    told = http.call("POST", "/v1/chat/completions", json=body).json()
    assert told["choices"][0]["message"]["annotations"]
    http.call("POST", "/v1/chat/completions", json={**body, "stream": True})
    http.call("POST", "/v1/chat/completions", expect=404, json={**body, "model": "another"})


def manage_jobs(http: Http, ended: str) -> None:
    """A job that has ended is not cancelled, nor tried again."""
    place = {"last-event-id": http.call("GET", "/v1/jobs/{job}/events", path={"job": ended}).text}
    last = re.findall(r"^id: (.+)$", place["last-event-id"], re.MULTILINE)[-1]
    http.call("GET", "/v1/jobs/{job}/events", expect=204, path={"job": ended}, headers={"last-event-id": last})
    http.call("DELETE", "/v1/jobs/{job}", path={"job": ended})
    http.call("POST", "/v1/jobs/{job}/retry", expect=409, path={"job": ended})
    many = {"documents": [{"id": f"d{n}", "text": f"Valve {n} sticks. " * 50} for n in range(2_000)]}
    running = http.call("POST", "/v1/ingest", expect=202, json=many).json()["job_id"]
    http.call("DELETE", "/v1/jobs/{job}", expect=202, path={"job": running})
    http.call("GET", "/v1/jobs/{job}/events", path={"job": running})
    http.call("POST", "/v1/jobs/{job}/retry", expect=202, path={"job": running})


def remove(http: Http) -> None:
    """What was ingested, at last."""
    http.call("DELETE", "/v1/documents/{document}", path={"document": "pump"})
    http.call("DELETE", "/v1/documents/{document}", expect=404, path={"document": "pump"})
    http.call("DELETE", "/v1/records/{collection}/{record}", path={"collection": "Alarm", "record": "A-1"})
    http.call("DELETE", "/v1/records/{collection}/{record}", expect=404, path={"collection": "A", "record": "A-1"})


NOT_CALLED = {("/readyz", "GET", "503"), ("/v1/session", "POST", "200")}
"""A server that drains, and one that has logins: other tests have those."""


def test_what_the_doors_give_is_what_is_described(knowing: Server, scripted: Server) -> None:
    """Every door with every status that is described for it; no field that is not described, and none missing."""
    with (
        httpx.Client(base_url=knowing.url, trust_env=False, timeout=WAIT_S) as client,
        httpx.Client(base_url=scripted.url, trust_env=False, timeout=WAIT_S) as other,
    ):
        document = client.get("/openapi.json").json()
        http, failing = Http(client, document), Http(other, document)
        job = ingested(http)
        read_everything(http)
        read_an_answer(http)
        complete(http)
        manage_jobs(http, job)
        remove(http)
        http.call("DELETE", "/v1/session", expect=204)
        http.call("POST", "/v1/session", expect=422, json={})
        body = {"model": "chatserver", "messages": [{"role": "user", "content": "/script fail_after=2"}]}
        failing.call("POST", "/v1/chat/completions", expect=502, json=body)
        failing.call("POST", "/v1/chat/completions", json={**body, "stream": True})
        failing.call("GET", "/v1/answers/{answer}", path={"answer": asked(failing, "/script fail_after=2", "c2")})
    described = {
        (path, method.upper(), status)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        for status, told in operation["responses"].items()
        if "$ref" not in told
    }
    assert described - http.called - failing.called == NOT_CALLED


def until(socket: ClientConnection, channel: Channel, type: str) -> dict[str, Any]:
    """The next event of that type; all before it are checked as well."""
    while True:
        event = channel.told(socket.recv(timeout=WAIT_S))
        if event["type"] == type:
            return event


def test_what_the_ai_sdks_socket_says_is_what_is_described(scripted: Server) -> None:
    """Its frames, both ways."""
    channel = Channel(asyncapi(), "aiSdk")
    message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "/script tokens=100000 delay_ms=20"}]}
    with connect(f"ws{scripted.url.removeprefix('http')}/ws/ai-sdk", proxy=None, open_timeout=60) as socket:

        def say(**command: Any) -> None:
            socket.send(channel.sent(command))

        say(type="send", requestId="r1", id="chat", messages=[message], body={"options": {}})
        until(socket, channel, "chunk")
        say(type="resume", requestId="r2", id="chat")
        until(socket, channel, "start")
        say(type="abort", requestId="r1")
        until(socket, channel, "end")
        say(type="resume", requestId="r3", id="nothing")
        until(socket, channel, "no-active")
        say(type="send", requestId="r4", id="chat", messages=[{**message, "id": "m2", "parts": []}], body={})
        assert until(socket, channel, "error")["code"] == "empty_question"
    assert channel.seen == {"chunk", "reply"}


def test_what_chat_v1_says_is_what_is_described(scripted: Server) -> None:
    """Each command as it is described, each event as it comes, to the server's end: it is this module's last test."""
    channel = Channel(asyncapi(), "chat")
    protocols: Any = ["chat.v1"]
    address = f"ws{scripted.url.removeprefix('http')}/ws"
    with connect(address, subprotocols=protocols, proxy=None, open_timeout=60) as socket:

        def say(**command: Any) -> None:
            socket.send(channel.sent(command))

        say(type="ask", id="q1", chat="c1", text="/script tokens=5")
        accepted = until(socket, channel, "accepted")
        until(socket, channel, "end")
        say(type="resume", chat="c1", cursors=[{"answer": accepted["answer"], "epoch": accepted["epoch"], "seq": 1}])
        until(socket, channel, "end")
        say(type="ack", answer=accepted["answer"], seq=3)
        say(type="ping", id="p1")
        until(socket, channel, "pong")
        say(type="ask", id="q2", chat="c1", text=" ")
        assert until(socket, channel, "error")["code"] == "empty_question"
        say(type="ask", id="q3", chat="c1", text="/script fail_after=2")
        until(socket, channel, "end")
        say(type="ask", id="q4", chat="c1", text="/script tokens=100000 delay_ms=20")
        answer = until(socket, channel, "accepted")["answer"]
        say(type="stop", answer=answer)
        assert until(socket, channel, "end")["state"] == "stopped"
        say(type="ask", id="q5", chat="c1", text="/script tokens=100000 delay_ms=20")
        until(socket, channel, "chunk")
        scripted.end(signal.SIGTERM)
        until(socket, channel, "draining")
    assert channel.seen == set(channel.messages("send"))
