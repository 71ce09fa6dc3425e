"""One answer is one trace, from the question on one socket to its last entry on another, in whatever process."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import structlog
from websockets.asyncio.client import ClientConnection, connect

from chatserver.cli.reach import own_server
from chatserver.settings import Model, Settings, Storage, Traces
from tests.delivery.conformance.server import DOOMED, Server
from tests.eventually import eventually
from tests.tracing.collector import Collector, Seen, collecting

PATIENCE_S = 60.0
CHAT: Any = ["chat.v1"]
LOST = "traces are not taken"
on_the_servers_loop = pytest.mark.asyncio(loop_scope="module")
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CALLER = f"00-{TRACE}-{SPAN}-01"
HANGS_ON = {
    "question": "",
    "generation": "question",
    "decide": "generation",
    "retrieve": "generation",
    "leg vector": "retrieve",
    "leg keyword": "retrieve",
    "leg graph": "retrieve",
    "model": "generation",
    "log": "generation",
    "delivery": "question",
}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[str, Collector]]:
    """For tests that want nothing of their own."""
    with collecting() as collector:
        async with own_server(traced(tmp_path_factory.mktemp("traced"), collector)) as url:
            yield url, collector


async def test_an_answer_is_a_trace(collector: Collector, tmp_path: Path) -> None:
    """The trace's id is the answer's; the question is its first span, what the generation does hangs on that, each leg
    on the retrieval; nothing in it is a user's text."""
    async with own_server(traced(tmp_path, collector)) as url, connected(url) as socket:
        answer = await asked(socket, "/script tokens=20")
        spans = await collector.trace(answer, *HANGS_ON)
    assert tree(spans) == HANGS_ON
    assert all(span.began <= span.ended and not span.error for span in spans.values())
    assert spans["question"].began <= spans["generation"].began <= spans["decide"].began
    assert spans["decide"].ended <= spans["retrieve"].began
    assert spans["retrieve"].ended <= spans["model"].began
    assert spans["model"].attributes["chatserver.parts"] == "20"
    assert spans["generation"].attributes["chatserver.end"] == "completed"
    assert int(spans["log"].attributes["chatserver.batches"]) >= 1
    assert spans["delivery"].attributes["chatserver.whole"] == "True"
    assert spans["delivery"].attributes["chatserver.next"] == spans["generation"].attributes["chatserver.entries"]
    assert spans["question"].attributes["chatserver.answer_id"] == answer
    assert "tokens=20" not in str(collector.spans)


async def test_an_answer_stands_in_its_callers_trace(collector: Collector, tmp_path: Path) -> None:
    """The question hangs on the span that the `traceparent` of a handshake or a request names, and whatever is done for
    the answer stands in that trace: a later connection's delivery, which knows the caller from the log alone, as well.
    A search has no question: its legs hang on the caller's span."""
    async with own_server(traced(tmp_path, collector)) as url:
        async with connected(url, CALLER) as socket:
            answer = await asked(socket, "/script tokens=5")
        spans = await collector.trace(TRACE, *HANGS_ON)
        assert tree(spans) == HANGS_ON
        assert spans["question"].parent == SPAN
        assert spans["question"].attributes["chatserver.answer_id"] == answer
        async with connected(url) as socket:
            await said(socket, type="resume", chat="c", cursors=[{"answer": answer, "epoch": "", "seq": -1}])
            await event(socket, "end")
            await eventually(lambda: len(deliveries(collector)) == 2, within_s=PATIENCE_S)
        assert {span.parent for span in deliveries(collector)} == {spans["question"].id}
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE_S) as http:
            asking = {"model": "chatserver", "messages": [{"role": "user", "content": "/script tokens=5"}]}
            for number, (door, body) in enumerate(
                [("/v1/chat/completions", asking), ("/v1/search", {"queries": ["glycol"]})], 2
            ):
                trace = f"{number:032x}"
                response = await http.post(door, json=body, headers={"traceparent": f"00-{trace}-{SPAN}-01"})
                assert response.status_code == 200
                told = await collector.trace(trace, "question" if "chat" in door else "leg vector")
                assert any(span.parent == SPAN for span in told.values())
    assert collector.of(answer) == [], "it has no other trace"


MALFORMED = [
    ["00-0123"],
    [f"00-{'0' * 32}-{'1' * 16}-01"],
    [f"00-{'1' * 32}-{'0' * 16}-01"],
    [f"ff-{'1' * 32}-{'1' * 16}-01"],
    [f"00-{'1' * 32}-{'1' * 16}-01-more"],
    [f"00-{'G' * 32}-{'1' * 16}-01"],
    ["1" * 2_000],
    ["\xe9"],
    [""],
    [f"00-{'1' * 32}-{'1' * 16}-01", f"00-{'2' * 32}-{'2' * 16}-01"],
]


@on_the_servers_loop
async def test_a_malformed_caller_is_as_none(server: tuple[str, Collector]) -> None:
    """The answer comes, in a trace of its own."""
    url, collector = server
    answers = []
    for headers in MALFORMED:
        async with connected(url, *headers) as socket:
            answers.append(await asked(socket, "/script tokens=3"))
    for headers, answer in zip(MALFORMED, answers, strict=True):
        spans = await collector.trace(answer, "question", "generation")
        assert spans["question"].parent == "", headers


@on_the_servers_loop
async def test_a_caller_is_no_option(server: tuple[str, Collector]) -> None:
    """Nobody names one in a question: what the log keeps of it is the server's own."""
    url, collector = server
    async with connected(url) as socket:
        answer = await asked(socket, "/script tokens=3", options={"$caller": CALLER})
        assert (await collector.trace(answer, "question", "generation"))["question"].parent == ""


@on_the_servers_loop
async def test_a_caller_that_is_not_traced(server: tuple[str, Collector]) -> None:
    """Where the caller's own trace is not recorded, nothing of the answer is."""
    url, collector = server
    trace = "3" * 32
    async with connected(url, f"00-{trace}-{SPAN}-00") as socket:
        silent = await asked(socket, "/script tokens=3")
    async with connected(url) as socket:
        await collector.trace(await asked(socket, "/script tokens=3"), "question", "generation", "delivery")
    assert collector.of(trace) == collector.of(silent) == []


async def test_a_share_of_all(collector: Collector, tmp_path: Path) -> None:
    """With a share of none nothing is told, and answers come all the same."""
    settings = Settings(
        storage=Storage(data_dir=tmp_path), model=Model(name="scripted"), traces=Traces(url=collector.url, share=0)
    )
    async with own_server(settings) as url, connected(url) as socket:
        await asked(socket, "/script tokens=5")
    assert collector.spans == []


@pytest.mark.slow
async def test_two_processes_tell_one_trace(collector: Collector, tmp_path: Path) -> None:
    """The process that takes an answer over has its own generation in the same trace, the caller's, and so has the
    later connection; the one that was killed has told what it could."""
    data = tmp_path / "data"
    data.mkdir()
    server = Server(data, "serve", settings={**DOOMED, "CHATSERVER_TRACES_URL": collector.url}).start().wait_ready()
    try:
        async with connected(server.url.removesuffix("/ws"), CALLER) as socket:
            await said(socket, type="ask", id="q", chat="c", text="/script tokens=9000 delay_ms=50")
            answer = (await event(socket, "accepted"))["answer"]
            while (await event(socket, "chunk"))["chunk"]["type"] != "text-delta":
                pass
            await collector.trace(TRACE, "question", "retrieve")
            server.kill()
        server.start().wait_ready()
        async with connected(server.url.removesuffix("/ws")) as socket:
            await said(socket, type="resume", chat="c")
            while "reset-step" not in str(await event(socket, "chunk")):
                pass
            await said(socket, type="stop", answer=answer)
            await event(socket, "end")
            spans = await collector.trace(TRACE, "generation", "model", "delivery")
    finally:
        server.kill()
    first = spans["question"]
    assert (spans["generation"].parent, spans["delivery"].parent) == (first.id, first.id)
    assert spans["generation"].attributes["chatserver.owners"] == "2"
    assert spans["generation"].began > first.ended
    assert first.parent == SPAN
    sealed = [json.loads(line) for line in server.printed().splitlines() if '"answer sealed"' in line]
    assert [line["trace"] for line in sealed if line["answer"] == answer] == [TRACE]


async def test_a_collector_that_is_away(tmp_path: Path) -> None:
    """Answers come as if it were there, the server ends in time, and the log says it once."""
    away = Traces(url="http://127.0.0.1:9/v1/traces")
    settings = Settings(storage=Storage(data_dir=tmp_path), model=Model(name="scripted"), traces=away)
    with structlog.testing.capture_logs() as lines:
        async with own_server(settings) as url, connected(url) as socket:
            await asked(socket, "/script tokens=5")
            await eventually(lambda: any(line["event"] == LOST for line in lines), within_s=PATIENCE_S)
            await asked(socket, "/script tokens=5")
            began = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began < PATIENCE_S
    assert [line["event"] for line in lines if line["event"] == LOST] == [LOST]


def traced(directory: Path, collector: Collector) -> Settings:
    return Settings(storage=Storage(data_dir=directory), model=Model(name="scripted"), traces=Traces(url=collector.url))


def tree(spans: Mapping[str, Seen]) -> dict[str, str]:
    """Each by name, and the name of what it hangs on."""
    names = {span.id: span.name for span in spans.values()}
    return {name: names.get(span.parent, "") for name, span in spans.items()}


def deliveries(collector: Collector) -> list[Seen]:
    return [span for span in collector.of(TRACE) if span.name == "delivery"]


def connected(url: str, *callers: str) -> connect:
    return connect(
        url.replace("http://", "ws://") + "/ws",
        subprotocols=CHAT,
        additional_headers=[("traceparent", caller) for caller in callers],
        compression=None,
        proxy=None,
        open_timeout=PATIENCE_S,
    )


async def asked(socket: ClientConnection, text: str, **fields: Any) -> str:
    """The answer's id, once it was read to its end."""
    await said(socket, type="ask", id=uuid.uuid4().hex, chat="c", text=text, **fields)
    answer: str = (await event(socket, "accepted"))["answer"]
    await event(socket, "end")
    return answer


async def said(socket: ClientConnection, **command: Any) -> None:
    await socket.send(json.dumps(command))


async def event(socket: ClientConnection, kind: str) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE_S):
        while (told := json.loads(await socket.recv()))["type"] != kind:
            pass
    return dict(told)
