"""Secrets stay where they were given: a server full of them, whose every upstream fails and tells them back."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from chatserver.access.keys import Secrets
from chatserver.access.tokens import issue
from chatserver.settings import Settings, Storage
from chatserver.wiring import open_knowledge
from tests.edge.test_authorisation import Served, bearer

PROGRAM = str(Path(sys.executable).with_name("chatserver"))


def canary(name: str) -> str:
    return f"canary-{name}-0123456789-0123456789-0123456789"


SETTINGS = {
    "OPENAI_API_KEY": canary("model"),
    "CHATSERVER_TOKEN_KEYS": f"{canary('signing')},{canary('retired')}",
    "NEO4J_PASSWORD": canary("graph"),
    "CHATSERVER_TOKEN": canary("own"),
}
KEY = canary("provider")
TOKEN = issue(Secrets([canary("signing")]).signing, "ada", ttl_s=3600)
CANARIES = ("canary-", TOKEN, TOKEN.rpartition(".")[2])


class Parrot(BaseHTTPRequestHandler):
    """An upstream that fails, and repeats in its error whatever it was told."""

    def _fail(self) -> None:
        said = self.rfile.read(int(self.headers.get("content-length", 0))).decode("utf-8", "replace")
        told = {"error": {"message": f"bad key in {dict(self.headers)}: {said}", "type": "invalid", "code": "bad"}}
        body = json.dumps(told).encode()
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = _fail

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def parrot() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Parrot)
    server.status = 401  # type: ignore[attr-defined]
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def environment(parrot: ThreadingHTTPServer, directory: Path) -> dict[str, str]:
    port = parrot.server_port
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("CHATSERVER_", "OPENAI_"))},
        **SETTINGS,
        "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1",
        "CHATSERVER_MODEL": "parrot",
        "CHATSERVER_ALLOW_PROVIDER_KEYS": "true",
        "CHATSERVER_DATA_DIR": str(directory / "data"),
        "CHATSERVER_RETRIEVAL_DEADLINE_S": "1",
        "PYTHONUNBUFFERED": "1",
    }


def revealed(text: str) -> list[str]:
    return [secret for secret in CANARIES if secret in text]


async def abused(url: str) -> str:
    """Everything that the server says to somebody who fails in every way there is, with secrets in hand."""
    heard: list[str] = []
    served = Served(url)
    question = {"type": "ask", "chat": "c", "text": "What is the remedy of FM-03?"}
    frames: list[Any] = [
        {**question, "id": "q1"},
        {**question, "id": "q2", "provider_key": KEY},
        {**question, "id": "q3", "provider_key": f"{KEY} with blanks"},
        {**question, "id": "q4", "provider_key": [KEY]},
        {**question, "id": "q5", "provider_key": KEY, "filter": {"$bad": KEY}},
        {"type": "resume", "chat": "c", "cursors": "x"},
    ]
    async with served.socket(bearer(TOKEN)) as socket:
        for frame in frames:
            await socket.send(json.dumps(frame))
        ended = 0
        async with asyncio.timeout(60):
            while ended < 2:
                heard.append(str(await socket.recv()))
                ended += '"type":"end"' in heard[-1]
    heard += [
        await served.first_event("/ws", headers)
        for headers in ({"Authorization": f"Bearer {TOKEN}x"}, {"Cookie": f"chatserver_token={TOKEN}x"})
    ]
    async with httpx.AsyncClient(base_url=url, headers=bearer(TOKEN), trust_env=False, timeout=60) as http:
        for method, path, body in (
            ("GET", "/v1/chats", None),
            ("GET", "/v1/chats/c/answers", None),
            ("GET", f"/v1/answers/{TOKEN[:20]}", None),
            ("GET", "/v1/session", None),
            ("POST", "/v1/search", {"queries": ["remedy"]}),
            ("POST", "/v1/search", {"queries": [1]}),
            ("POST", "/v1/session", {"token": 1}),
            ("GET", "/v1/graph?entity=FM-03", None),
            ("GET", "/v1/inflight", None),
            ("GET", "/readyz", None),
            ("GET", "/metrics", None),
            ("GET", "/nothing", None),
        ):
            response = await http.request(method, path, json=body)
            heard.append(f"{response.status_code} {response.headers} {response.text}")
        refused = await http.get("/v1/chats", headers=bearer(f"{TOKEN}x"))
        heard.append(f"{refused.status_code} {refused.headers} {refused.text}")
    return "\n".join(heard)


@pytest.mark.parametrize("status", [401, pytest.param(500, marks=pytest.mark.slow)])
async def test_no_secret_is_told_logged_or_stored(parrot: ThreadingHTTPServer, tmp_path: Path, status: int) -> None:
    """Not in events, documents, errors, metrics, logs or the data directory, though the model's server answers with the
    very key that it was sent."""
    parrot.status = status  # type: ignore[attr-defined]
    (tmp_path / "remedy.md").write_text("# FM-03\n\nThe remedy of FM-03 is a new seal.\n")
    async with open_knowledge(Settings(storage=Storage(data_dir=tmp_path / "data"))) as knowledge:
        await knowledge.ingestion.ingest_paths([tmp_path / "remedy.md"])
    command = [PROGRAM, "serve", "--port", "0"]
    logs = tmp_path / "logs"
    with (
        logs.open("wb") as stderr,
        subprocess.Popen(  # noqa: ASYNC220 - waited for before and after anything else
            command, env=environment(parrot, tmp_path), cwd=tmp_path, stdout=subprocess.PIPE, stderr=stderr, text=True
        ) as process,
    ):
        assert process.stdout is not None
        try:
            ready = next((line for line in process.stdout if "is ready" in line), "")
            assert ready, logs.read_text()
            told = await abused(ready.split()[-1])
        finally:
            process.send_signal(signal.SIGTERM)
            said = process.stdout.read()
    assert "model_" in told, "an answer failed for its model"
    assert revealed(told) == []
    logged = logs.read_text() + said
    assert logged
    assert revealed(logged) == []
    kept = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert kept
    assert [path.name for path in kept if revealed(path.read_bytes().decode("latin-1"))] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "name", "value"),
    [
        (["serve", "--port", "0"], "CHATSERVER_REDIS_URL", f"redis://ada:{canary('redis')}@127.0.0.1:1"),
        (["serve", "--port", "0"], "CHATSERVER_TOKEN_KEYS", "canary-short"),
        (["serve", "--port", "0"], "OPENAI_BASE_URL", f"ftp://{canary('url')}"),
        (["check"], "CHATSERVER_REDIS_URL", f"redis://ada:{canary('redis')}@127.0.0.1:1"),
        (["check"], "PINECONE_API_KEY", canary("vectors")),
        (["check"], "NEO4J_URI", "bolt://127.0.0.1:1"),
        (["check"], "NEO4J_URI", f"bolt://neo4j:{canary('graph')}@127.0.0.1:1"),
    ],
)
def test_a_start_that_fails_and_a_check_tell_no_secret(
    parrot: ThreadingHTTPServer, tmp_path: Path, command: list[str], name: str, value: str
) -> None:
    """Whatever is wrong with a setting or with what it leads to, no secret is repeated."""
    parrot.status = 401  # type: ignore[attr-defined]
    index = {"PINECONE_HOST": f"http://127.0.0.1:{parrot.server_port}"} if name.startswith("PINECONE") else {}
    done = subprocess.run(
        [PROGRAM, *command],
        env={**environment(parrot, tmp_path), **index, name: value},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout + done.stderr
    assert revealed(done.stdout + done.stderr) == []
