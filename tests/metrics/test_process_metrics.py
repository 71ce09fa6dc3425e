"""`GET /metrics` of a real server with two workers: the numbers of both, whoever is asked, also when one was killed."""

import asyncio
import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.delivery.conformance.server import ROOT, Server
from tests.metrics.scrape import Scrape
from tests.processes import command_of

ANSWERS, TOKENS = 6, 30
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With what a server of two workers counts after some questions, resumes and refusals."""
    data = tmp_path_factory.mktemp("metrics") / "data"
    temporary(data).mkdir(parents=True)
    running = Server(data, "serve --workers 2", settings={"TMPDIR": str(temporary(data))})
    running.start().wait_ready()
    try:
        asyncio.run(_traffic(running))
        yield running
    finally:
        running.kill()


def temporary(data: Path) -> Path:
    return data / "tmp"


def scraped(server: Server) -> Scrape:
    answer = httpx.get(f"http://127.0.0.1:{server.port}/metrics", trust_env=False, timeout=PATIENCE_S)
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, "text/plain")
    return Scrape(answer.text)


async def until(server: Server, condition: Callable[[Scrape], bool]) -> Scrape:
    """The other process tells what it has added up within a second; a busy machine takes its time."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition(seen := scraped(server)):  # noqa: ASYNC110 - another process has no event for us
            await asyncio.sleep(0.1)
    return seen


async def test_all_processes_are_one(server: Server) -> None:
    """What both have counted adds up to what their clients have seen."""
    entries = await _entries(server)

    def is_settled(seen: Scrape) -> bool:
        """What is looked at once a second has been."""
        return seen.value("entries_delivered_total") >= 2 * entries and seen.value("connections") == 0

    seen = await until(server, is_settled)
    assert seen.value("processes") == 2
    assert seen.value("answers_asked_total") == ANSWERS
    assert seen.value("answers_ended_total", state="completed") == ANSWERS
    assert seen.value("answer_first_text_seconds_count") == ANSWERS
    assert seen.value("answer_outcomes_total", outcome="completed") == ANSWERS
    assert seen.value("entries_delivered_total") == 2 * entries, "each answer was read twice"
    assert seen.value("resumes_total", verdict="snapshot") == ANSWERS
    assert seen.value("commands_refused_total", code="invalid_filter") == 1
    assert seen.value("connections_opened_total") == 2 * ANSWERS
    assert seen.value("log_up") == 1
    assert seen.value("retrieval_leg_seconds_count", leg="keyword", state="ok") == ANSWERS
    assert seen.value("http_request_seconds_count", door="/v1/search", status="422") == 1


async def test_a_workers_jobs_are_told_as_well(server: Server) -> None:
    """The process that runs jobs is a child of a server process, and its numbers stay when it has ended."""
    document = {"id": "d", "title": "Pump", "text": "The pump needs a new seal every spring."}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False, timeout=60) as http:
        assert (await http.post("/v1/ingest", json={"documents": [document]})).status_code == 202
    seen = await until(server, lambda seen: seen.value("job_seconds_count") == 1)
    assert seen.value("jobs_ended_total", state="completed") == 1
    assert seen.value("ingested_total", kind="documents") == 1


def test_every_metric_is_there_and_documented(server: Server) -> None:
    """`docs/operations.md` names what a server tells, with kind and labels, and nothing else."""
    text = (ROOT / "docs" / "operations.md").read_text("utf-8")
    rows = re.findall(r"^\| `(chatserver_\w+)` \| (\w+) \| ([^|]*) \|", text, re.MULTILINE)
    documented = {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}
    seen = scraped(server)
    names = {f"{name}_total" if kind == "counter" else name: kind for name, kind in seen.families.items()}
    missing = set(documented) - set(names)
    assert missing <= {"chatserver_embedding_cache_up"}, "told by servers whose embedder is a server's"
    assert set(names) - set(documented) == set()
    for name, kind in names.items():
        sample = f"{name}_count" if kind == "histogram" else name
        assert documented[name] == (kind, seen.labels(sample)), name


def test_dashboard_and_alerts_ask_for_what_there_is(server: Server) -> None:
    """Every metric and label that the dashboard, the rules and the runbook name is in what a server tells after some
    traffic; only a cache of vectors has none but a server whose embedder is a server's."""
    seen = scraped(server)
    there = {(name, label) for name, labels, _ in seen.samples for label in ["", "instance", *labels]}
    there |= {(name, "") for name in seen.families}
    there |= {("chatserver_embedding_cache_up", label) for label in ("", "instance")}
    folders = [ROOT / "deploy" / "prometheus", ROOT / "deploy" / "grafana", ROOT / "docs" / "runbook"]
    texts = {file.name: file.read_text("utf-8") for folder in folders for file in folder.iterdir() if file.is_file()}
    asked = {(file, *wanted) for file, text in texts.items() for wanted in _asked_for(text)}
    assert len({name for _, name, _ in asked}) > 40
    assert [row for row in asked if row[1:] not in there and "cache" not in row] == []
    labels = {label for _, label in there} | {"cache"}
    grouped = {
        label
        for text in texts.values()
        for group in re.findall(r"\bby \(([^)]+)\)", text)
        for label in group.split(", ")
    }
    assert grouped - labels == set()


async def test_a_killed_process_takes_only_its_gauges_along(server: Server) -> None:
    """After SIGKILL what it has counted stays, what it had open is gone, and its successor is counted."""
    before = scraped(server)
    victim = next(process for process in server.processes() if _serves(process))
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait(PATIENCE_S)
    seen = await until(server, lambda seen: seen.value("processes") == 2 and len(_serving(server)) == 2)
    assert seen.value("answers_asked_total") == before.value("answers_asked_total")
    assert seen.value("entries_delivered_total") == before.value("entries_delivered_total")


def test_nothing_is_left_behind(server: Server) -> None:
    """The directory of the numbers goes with its server."""
    assert len(list(temporary(server.data).glob("chatserver-metrics-*"))) == 1
    assert server.stop(PATIENCE_S) == 0
    assert list(temporary(server.data).glob("chatserver-metrics-*")) == []


def _asked_for(text: str) -> Iterator[tuple[str, str]]:
    """The metrics that a text names, each with each label that it is selected by."""
    for name, selector in re.findall(r"\b(chatserver_[a-z_]+)(?:\{([^}]*)\})?", text):
        labels = re.findall(r"(\w+)\s*(?:=|!=|=~|!~)\s*\\?\"", selector or "")
        yield from ((name, label) for label in labels or [""])


def _serves(process: psutil.Process) -> bool:
    return "chatserver.supervisor.server" in command_of(process)


def _serving(server: Server) -> list[psutil.Process]:
    return [process for process in server.processes() if _serves(process)]


async def _traffic(server: Server) -> None:
    """Questions that are read twice, one that is refused, and a search that is refused."""
    for n in range(ANSWERS):
        async with connect(server.url, subprotocols=_CHAT, compression=None, proxy=None, open_timeout=60) as socket:
            await _event(socket, "welcome")
            if n == 0:
                await _say(socket, type="ask", id="no", chat="c", text="hello", filter={"$no": 1})
                await _event(socket, "error")
            await _say(socket, type="ask", id=f"q{n}", chat=f"chat{n}", text=f"/script tokens={TOKENS}")
            await _event(socket, "end")
        async with connect(server.url, subprotocols=_CHAT, compression=None, proxy=None, open_timeout=60) as socket:
            await _say(socket, type="resume", chat=f"chat{n}")
            await _event(socket, "end")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False, timeout=60) as http:
        assert (await http.post("/v1/search", json={"queries": []})).status_code == 422


async def _entries(server: Server) -> int:
    """Of all answers."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False, timeout=60) as http:
        chats = [(await http.get(f"/v1/chats/chat{n}/answers")).json()["answers"] for n in range(ANSWERS)]
    return sum(answer["head"] for answers in chats for answer in answers)


_CHAT: Any = ["chat.v1"]


async def _say(socket: ClientConnection, **command: Any) -> None:
    await socket.send(json.dumps(command))


async def _event(socket: ClientConnection, kind: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while json.loads(await socket.recv())["type"] != kind:
            pass
