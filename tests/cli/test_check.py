import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from retrieval.pinecone_rows import LABEL, LABELS
from tests.cli.conftest import Run
from tests.contracts.neo4j_server import PASSWORD, standalone_neo4j
from tests.contracts.pinecone_index import Index
from tests.contracts.pinecone_server import KEY, threaded_pinecone
from tests.contracts.redis_server import redis_server

VECTOR = '{"object": "list", "model": "m", "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 0.5]}]}'


def findings(run: Run) -> dict[str, tuple[bool, str]]:
    result = run("check", "--json")
    document = json.loads(result.out)
    assert document["ok"] == (result.code == 0)
    return {finding["name"]: (finding["ok"], finding["message"]) for finding in document["checks"]}


@contextmanager
def model_server(status: int, body: str) -> Iterator[str]:
    """A real HTTP server that answers every request alike; it stands for an OpenAI-compatible server's /models."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()


def test_all_is_well(run: Run) -> None:
    """With nothing configured every check passes, and an empty data directory says what to do."""
    found = findings(run)
    names = {
        "server",
        "settings",
        "data directory",
        "embedder",
        "vectors",
        "graph",
        "embedding cache",
        "answer log",
        "model",
    }
    assert set(found) == names
    assert all(ok for ok, _ in found.values())
    assert "chatserver ingest" in found["data directory"][1]


def test_pinecone_is_reached(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that will do says how much it holds; it is made when that is asked for."""
    with threaded_pinecone(dimension=None) as server:
        monkeypatch.setenv("PINECONE_API_KEY", KEY)
        monkeypatch.setenv("PINECONE_CONTROLLER_HOST", server.url)
        monkeypatch.setenv("PINECONE_INDEX_NAME", "handbook")
        monkeypatch.setenv("PINECONE_CREATE", "true")
        assert findings(run)["vectors"] == (True, "Pinecone's index handbook holds 0 vectors")
        assert server.indexes["handbook"].dimension == 256


@pytest.fixture
def ingested(run: Run, tmp_path: Path) -> Path:
    """A document of one passage in the data directory, and its file."""
    document = tmp_path / "kettle.md"
    document.write_text("# Kettle\n\nThe kettle boils water in three minutes.\n")
    assert run("ingest", str(document)).code == 0
    return document


def test_a_pinecone_that_lacks_vectors_is_told(run: Run, ingested: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents that were ingested before Pinecone was set have no vectors there, all of them or those of a namespace:
    it says how they get them; once they have, all is well."""
    with threaded_pinecone(dimension=256) as server:
        assert run("ingest", str(ingested), "--namespace", "acme").code == 0
        monkeypatch.setenv("PINECONE_API_KEY", KEY)
        monkeypatch.setenv("PINECONE_HOST", server.url)
        ok, message = findings(run)["vectors"]
        assert not ok
        assert "holds 2 passages, and Pinecone's index" in message
        assert message.endswith("is empty; copy the vectors with `chatserver migrate` (index_empty)")
        assert run("migrate").code == 0
        del server.indexes["passages"].namespaces["acme"]
        ok, message = findings(run)["vectors"]
        assert not ok
        assert "lacks the vectors of 1 of them (namespaces 'acme'); copy the vectors with" in message
        assert run("migrate").code == 0
        assert findings(run)["vectors"] == (True, f"Pinecone's index {server.url} holds 2 vectors")


def test_vectors_of_another_embedder_are_told(run: Run, ingested: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index of the right dimension whose vectors another model has made: it names both, and what can be done. A
    server does not start with it either."""
    with threaded_pinecone(dimension=256) as server:
        monkeypatch.setenv("PINECONE_API_KEY", KEY)
        monkeypatch.setenv("PINECONE_HOST", server.url)
        assert run("migrate").code == 0
        server.indexes["passages"].namespaces[LABELS][LABEL].metadata["embedder"] = "another-256"
        found = findings(run)
        assert found["data directory"][0]
        ok, message = found["vectors"]
        assert not ok
        assert message.startswith("the vectors there are of another-256, and the embedder that is set is wordllama")
        assert "Set CHATSERVER_EMBEDDER back, or give" in message
        assert message.endswith("(embedder_changed)")
        searched = run("search", "kettle")
        assert searched.code == 1
        assert "another PINECONE_INDEX_NAME" in searched.err


@pytest.mark.parametrize(
    ("name", "value", "said", "code"),
    [
        ("PINECONE_API_KEY", "pc-wrong", "does not accept PINECONE_API_KEY", "upstream_unauthorized"),
        ("PINECONE_INDEX_NAME", "nowhere", "no index nowhere; correct PINECONE_INDEX_NAME, or set", "index_missing"),
        ("PINECONE_INDEX_NAME", "narrow", "needs an index of 256 dimensions (a new", "dimension_mismatch"),
        ("PINECONE_HOST", "http://localhost:1", "can't be reached at localhost:1: ", "upstream_unavailable"),
        ("PINECONE_CONTROLLER_HOST", "http://localhost:1", "is the address right", "upstream_unavailable"),
    ],
)
def test_what_is_wrong_with_pinecone_is_told(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str, code: str
) -> None:
    """A wrong key, name, dimension or address is a finding that says what to do, and none of them shows the key; what
    else there is is checked as well."""
    with threaded_pinecone(dimension=256) as server:
        server.indexes["narrow"] = Index("narrow", 8)
        environment = {
            "PINECONE_API_KEY": KEY,
            "PINECONE_INDEX_NAME": "passages",
            "PINECONE_CONTROLLER_HOST": server.url,
            name: value,
        }
        for variable, setting in environment.items():
            monkeypatch.setenv(variable, setting)
        found = findings(run)
        ok, message = found["vectors"]
    assert not ok
    assert said in message
    assert message.endswith(f"({code})")
    assert not any(KEY in message or "pc-wrong" in message for _, message in found.values())
    assert found["embedder"][0]


def test_redis_is_reached(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it promises is told; one that evicts, one that is away and an address that is none are findings, and none of
    them shows the password."""
    with redis_server(tmp_path, "--appendonly", "yes") as redis:
        monkeypatch.setenv("CHATSERVER_REDIS_URL", redis.url)
        everything = findings(run)
        found = everything["answer log"]
        assert found[0]
        assert found[1].endswith(", append-only file, fsync everysec")
        assert everything["workers"] == (True, "none runs on this Redis now: jobs wait for a `chatserver worker`")
        redis.says("CONFIG", "SET", "appendfsync", "always")
        assert findings(run)["answer log"][1].endswith(", append-only file, fsync always")
        redis.says("CONFIG", "SET", "appendonly", "no")
        assert findings(run)["answer log"][1].endswith(", no append-only file")
        redis.says("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        evicting = findings(run)["answer log"]
        assert not evicting[0]
        assert "noeviction" in evicting[1]
    monkeypatch.setenv("CHATSERVER_REDIS_URL", "redis://:pw-secret@127.0.0.1:1")
    everything = findings(run)
    away = everything["answer log"]
    assert not away[0]
    assert "Redis does not answer" in away[1]
    assert "secret" not in away[1] + everything["workers"][1]
    assert not everything["workers"][0]


def test_the_cache_of_vectors_is_reached(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis of its own may evict, which one of answers may not; one that is away names the variable to look at, and
    neither shows the password."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("CHATSERVER_EMBEDDER", "embedding-model")
    assert findings(run)["embedding cache"] == (True, "in the data directory")
    with redis_server(tmp_path, "--maxmemory-policy", "allkeys-lru") as redis:
        monkeypatch.setenv("CHATSERVER_CACHE_REDIS_URL", redis.url)
        found = findings(run)
        assert found["embedding cache"][0]
        assert found["embedding cache"][1].endswith(", maxmemory-policy allkeys-lru, then in the data directory")
        assert found["answer log"] == (True, "in the data directory")
    monkeypatch.setenv("CHATSERVER_CACHE_REDIS_URL", "redis://:pw-secret@127.0.0.1:1")
    ok, message = findings(run)["embedding cache"]
    assert not ok
    assert "is CHATSERVER_CACHE_REDIS_URL right?" in message
    assert message.endswith("(cache_unavailable)")
    assert "secret" not in message


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (401, "{}", "does not accept OPENAI_API_KEY (upstream_unauthorized)"),
        (200, VECTOR, "correct CHATSERVER_EMBEDDING_DIMENSION (dimension_mismatch)"),
    ],
)
def test_what_is_wrong_with_embeddings_is_told(
    run: Run, monkeypatch: pytest.MonkeyPatch, status: int, body: str, told: str
) -> None:
    """A key that is refused, and a model that answers with other vectors than it is set to, each with what to do."""
    with model_server(status, body) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        monkeypatch.setenv("CHATSERVER_EMBEDDER", "embedding-model")
        ok, message = findings(run)["embedder"]
    assert not ok
    assert message.endswith(told)


def test_for_a_person(run: Run) -> None:
    """Without `--json` each check is a line with a mark."""
    lines = run("check").out.splitlines()
    assert lines[0] == "✓ server: will listen on 127.0.0.1:1"
    assert all(line.startswith("✓ ") for line in lines)


def test_bad_settings_are_a_finding(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Invalid settings and an invalid server file are findings side by side."""
    monkeypatch.setenv("CHATSERVER_LEASE_S", "0")
    Path("uvicorn.toml").write_text("prot = 1")
    found = findings(run)
    assert not found["settings"][0]
    assert "CHATSERVER_LEASE_S" in found["settings"][1]
    assert not found["server"][0]


def test_a_damaged_data_directory(run: Run) -> None:
    """A data directory that cannot be opened is a finding, not a crash."""
    Path("data").mkdir()
    Path("data/knowledge.db").write_bytes(b"this is no database" * 100)
    ok, message = findings(run)["data directory"]
    assert not ok
    assert "cannot be opened" in message


@pytest.mark.parametrize(
    ("status", "body", "ok", "told"),
    [
        (200, '{"data": [{"id": "m"}]}', True, "m at http"),
        (200, '{"data": [{"id": "other"}]}', False, "for example to other"),
        (200, "no json", True, "shows with the first question"),
        (404, "{}", True, "shows with the first question"),
        (401, "{}", False, "OPENAI_API_KEY"),
        (500, "{}", False, "HTTP 500"),
    ],
)
def test_model_servers(run: Run, monkeypatch: pytest.MonkeyPatch, status: int, body: str, ok: bool, told: str) -> None:
    """The model server is reached, its verdict on key and name told in words."""
    with model_server(status, body) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
        monkeypatch.setenv("CHATSERVER_MODEL", "m")
        found = findings(run)
    assert found["model"][0] is ok
    assert told in found["model"][1]
    assert "secret" not in str(found)


def test_neo4j_is_reached(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it is is told; a wrong password, a database that it lacks and a server that is away are findings that say
    what to do, and none of them shows the password."""
    server = standalone_neo4j()
    server.clear()
    monkeypatch.setenv("NEO4J_URI", server.uri)
    monkeypatch.setenv("NEO4J_PASSWORD", PASSWORD)
    told = f"Neo4j Kernel {server.agent.partition('/')[2]} community at {server.uri}"
    assert findings(run)["graph"] == (True, f"{told}, 0 passages linked")
    monkeypatch.setenv("NEO4J_DATABASE", "attic")
    refused_told(run, "has no database attic; set NEO4J_DATABASE", "no_such_database")
    monkeypatch.delenv("NEO4J_DATABASE")
    monkeypatch.setenv("NEO4J_PASSWORD", "wrong-secret")
    refused_told(run, "does not accept NEO4J_USERNAME (neo4j) and NEO4J_PASSWORD", "upstream_unauthorized")
    monkeypatch.delenv("NEO4J_PASSWORD")
    refused_told(run, "does not accept NEO4J_USERNAME (neo4j) and NEO4J_PASSWORD", "upstream_unauthorized")
    for away in ("bolt://127.0.0.1:1", "neo4j://127.0.0.1:1", "bolt://no.such.host.invalid"):
        monkeypatch.setenv("NEO4J_URI", away)
        refused_told(run, f"{away} does not answer; is Neo4j running there, and is NEO4J_URI right?", "unavailable")


def test_a_graph_that_lacks_the_documents_is_told(run: Run, ingested: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents beside an empty Neo4j, and documents whose graph is in a Neo4j that is not set any more: each with the
    command that copies it."""
    server = standalone_neo4j()
    server.clear()
    monkeypatch.setenv("NEO4J_URI", server.uri)
    monkeypatch.setenv("NEO4J_PASSWORD", PASSWORD)
    refused_told(run, f"holds 1 passages, and the graph at {server.uri} is empty; copy the links with", "index_empty")
    assert run("migrate").code == 0
    ok, message = findings(run)["graph"]
    assert ok
    assert message.endswith(", 1 passages linked")
    assert run("ingest", str(ingested), "--namespace", "acme").code == 0
    monkeypatch.delenv("NEO4J_URI")
    refused_told(
        run, "holds documents (namespaces 'acme') whose links are not there; were they ingested", "index_empty"
    )
    monkeypatch.setenv("NEO4J_URI", server.uri)
    assert run("migrate", "--back").code == 0
    monkeypatch.delenv("NEO4J_URI")
    assert findings(run)["graph"] == (True, "in the data directory")


def refused_told(run: Run, told: str, code: str) -> None:
    found = findings(run)
    ok, message = found["graph"]
    assert not ok
    assert told in message
    assert code in message
    assert "secret" not in str(found)
    assert found["data directory"][0]


def test_no_model_server(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model server that does not answer fails the check and names the variable."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("CHATSERVER_MODEL", "m")
    ok, message = findings(run)["model"]
    assert not ok
    assert "OPENAI_BASE_URL" in message
