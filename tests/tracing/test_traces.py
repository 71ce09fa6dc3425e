"""One answer is one trace, from the question on one socket to its last entry on another, in whatever process."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from websockets.asyncio.client import ClientConnection, connect

from chatserver.cli.reach import own_server
from chatserver.settings import Model, Settings, Storage, Traces
from tests.delivery.conformance.server import DOOMED, Server
from tests.eventually import eventually
from tests.tracing.collector import Collector, collecting

PATIENCE_S = 60.0
CHAT: Any = ["chat.v1"]
LOST = "traces are not taken"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


async def test_an_answer_is_a_trace(collector: Collector, tmp_path: Path) -> None:
    """The trace's id is the answer's; the question is its first span, what the generation does hangs on that, each leg
    on the retrieval; nothing in it is a user's text."""
    settings = Settings(
        storage=Storage(data_dir=tmp_path), model=Model(name="scripted"), traces=Traces(url=collector.url)
    )
    hangs_on = {
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
    async with own_server(settings) as url, connected(url) as socket:
        answer = await asked(socket, "/script tokens=20")
        spans = await collector.trace(answer, *hangs_on)
    names = {span.id: span.name for span in spans.values()}
    assert {name: names.get(span.parent, "") for name, span in spans.items()} == hangs_on
    assert all(span.began <= span.ended and not span.error for span in spans.values())
    assert spans["question"].began <= spans["generation"].began <= spans["decide"].began
    assert spans["decide"].ended <= spans["retrieve"].began
    assert spans["retrieve"].ended <= spans["model"].began
    assert spans["model"].attributes["chatserver.parts"] == "20"
    assert spans["generation"].attributes["chatserver.end"] == "completed"
    assert int(spans["log"].attributes["chatserver.batches"]) >= 1
    assert spans["delivery"].attributes["chatserver.whole"] == "True"
    assert spans["delivery"].attributes["chatserver.next"] == spans["generation"].attributes["chatserver.entries"]
    assert "tokens=20" not in str(collector.spans)


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
    """The process that takes an answer over has its own generation in the same trace, and so has the later
    connection; the one that was killed has told what it could."""
    data = tmp_path / "data"
    data.mkdir()
    server = Server(data, "serve", settings={**DOOMED, "CHATSERVER_TRACES_URL": collector.url}).start().wait_ready()
    try:
        async with connected(server.url.removesuffix("/ws")) as socket:
            await said(socket, type="ask", id="q", chat="c", text="/script tokens=9000 delay_ms=50")
            answer = (await event(socket, "accepted"))["answer"]
            while (await event(socket, "chunk"))["chunk"]["type"] != "text-delta":
                pass
            await collector.trace(answer, "question", "retrieve")
            server.kill()
        server.start().wait_ready()
        async with connected(server.url.removesuffix("/ws")) as socket:
            await said(socket, type="resume", chat="c")
            while "reset-step" not in str(await event(socket, "chunk")):
                pass
            await said(socket, type="stop", answer=answer)
            await event(socket, "end")
            spans = await collector.trace(answer, "generation", "model", "delivery")
    finally:
        server.kill()
    first = spans["question"]
    assert (spans["generation"].parent, spans["delivery"].parent) == (first.id, first.id)
    assert spans["generation"].attributes["chatserver.owners"] == "2"
    assert spans["generation"].began > first.ended


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


def connected(url: str) -> connect:
    address = url.replace("http://", "ws://") + "/ws"
    return connect(address, subprotocols=CHAT, compression=None, proxy=None, open_timeout=PATIENCE_S)


async def asked(socket: ClientConnection, text: str) -> str:
    """The answer's id, once it was read to its end."""
    await said(socket, type="ask", id=uuid.uuid4().hex, chat="c", text=text)
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
