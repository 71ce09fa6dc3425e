"""Jobs as a server has them run: a real server, the worker that it starts, a chat socket, server-sent events."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil
import pytest
import pytest_asyncio
import websockets

from chatserver.cli.reach import own_server
from chatserver.settings import Generation, Settings, Storage
from tests.processes import command_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
WAIT_S = 120.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    data_dir: Path = tmp_path_factory.mktemp("data")
    settings = Settings(storage=Storage(data_dir=data_dir), generation=Generation(lease_s=1.0))
    async with own_server(settings) as url:
        yield url


@pytest_asyncio.fixture(loop_scope="module")
async def http(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=WAIT_S) as client:
        yield client


def documents(count: int, name: str) -> dict[str, Any]:
    texts = [
        {"id": f"{name}{n}", "title": f"{name} {n}", "text": f"The {name} number {n} turns."} for n in range(count)
    ]
    return {"documents": texts}


async def submitted(http: httpx.AsyncClient, body: dict[str, Any]) -> str:
    posted = await http.post("/v1/ingest", json=body)
    assert posted.status_code == 202, posted.text
    return str(posted.json()["job_id"])


def connected(url: str) -> websockets.connect:
    protocols: Any = ["chat.v1"]
    return websockets.connect(
        url.replace("http", "ws") + "/ws", subprotocols=protocols, proxy=None, open_timeout=WAIT_S
    )


async def watched(url: str, job: str) -> list[dict[str, Any]]:
    """The job's entries, as a chat socket tells them."""
    entries: list[dict[str, Any]] = []
    async with (
        asyncio.timeout(WAIT_S),
        connected(url) as socket,
    ):
        await socket.recv()
        await socket.send(orjson.dumps({"type": "resume", "chat": "jobs"}).decode())
        async for frame in socket:
            event = orjson.loads(frame)
            if event["type"] == "chunk" and event["answer"] == job:
                entries.append(event["chunk"])
            if event["type"] == "end" and event["answer"] == job:
                break
    return entries


async def test_a_job_is_watched_on_the_chat_socket_and_searched_at_once(url: str, http: httpx.AsyncClient) -> None:
    """Progress comes as entries of an answer; when the last one is there, what another process has ingested is
    found by a search here."""
    job = await submitted(http, documents(20, "compressor"))
    entries = await watched(url, job)
    assert [entries[0]["type"], entries[1]["type"], entries[-1]["type"]] == ["start", "start-step", "finish"]
    assert any(entry["type"] == "data-progress" for entry in entries)
    began = time.monotonic()
    found = (await http.post("/v1/search", json={"queries": ["compressor number 7"], "top_k": 3})).json()
    assert "compressor7" in {passage["id"] for passage in found["results"][0]["passages"]}
    assert time.monotonic() - began < WAIT_S
    assert (await http.get(f"/v1/jobs/{job}")).json()["result"]["documents"] == 20


async def test_events_go_on_after_a_cursor(http: httpx.AsyncClient) -> None:
    """The same entries over server-sent events; with `Last-Event-ID` those after it, and 204 when there are none."""
    job = await submitted(http, documents(3, "valve"))
    whole = (await http.get(f"/v1/jobs/{job}/events")).text  # ends with the job
    ids = [line.removeprefix("id: ") for line in whole.splitlines() if line.startswith("id: ")]
    assert len(ids) > 4
    rest = (await http.get(f"/v1/jobs/{job}/events", headers={"Last-Event-ID": ids[2]})).text
    assert [line.removeprefix("id: ") for line in rest.splitlines() if line.startswith("id: ")] == ids[3:]
    ended = await http.get(f"/v1/jobs/{job}/events", headers={"Last-Event-ID": ids[-1]})
    assert ended.status_code == 204


async def test_a_killed_worker_is_replaced(url: str, http: httpx.AsyncClient) -> None:
    """The server starts another one, which goes on: every document is counted and stored once."""
    job = await submitted(http, documents(600, "pump"))
    async with asyncio.timeout(WAIT_S):
        while (await http.get(f"/v1/jobs/{job}")).json()["status"] == "queued":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    workers = [child for child in psutil.Process().children() if "chatserver.supervisor.worker" in command_of(child)]
    for child in workers:
        os.kill(child.pid, signal.SIGKILL)
    assert len(workers) == 1
    await watched(url, job)
    status = (await http.get(f"/v1/jobs/{job}")).json()
    assert (status["status"], status["problems"]) == ("completed", [])
    assert (status["result"]["documents"], status["result"]["unchanged"]) == (600, 0)


async def test_a_stop_on_the_chat_socket_cancels(url: str, http: httpx.AsyncClient) -> None:
    """And the door tells it; what was stored by then stays."""
    job = await submitted(http, documents(3_000, "fan"))
    async with connected(url) as socket:
        await socket.recv()
        await socket.send(orjson.dumps({"type": "stop", "answer": job}).decode())
        await watched(url, job)
    assert (await http.get(f"/v1/jobs/{job}")).json()["status"] == "cancelled"
