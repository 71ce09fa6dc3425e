"""Workers on machines of their own: a real server, worker processes that share nothing with it but a Redis, an upstream
that counts, SIGKILL."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from chatserver.answers.log import AnswerLog
from chatserver.answers.redis import RedisAnswerLog
from chatserver.cli.reach import own_server
from chatserver.settings import (
    Embeddings,
    Generation,
    Ingest,
    Model,
    Neo4j,
    Pinecone,
    Redis,
    Retrieval,
    Settings,
    Storage,
    to_environment,
)
from chatserver.wiring import open_knowledge
from tests.contracts.neo4j_server import PASSWORD, Neo4jServer, standalone_neo4j
from tests.contracts.pinecone_server import KEY, PineconeServer, pinecone_server
from tests.contracts.redis_server import RedisServer, require_redis
from tests.ingest.killed import of_the_ingest
from tests.models.openai_server import OpenAIServer, openai_server

DOCUMENTS = 19
"""One fewer than are measured when an ingest ends, which asks the upstream too."""
BATCH = 4
WAIT_S = 90.0


def machine(data_dir: Path, redis: RedisServer, upstream: str) -> Settings:
    return Settings(
        storage=Storage(data_dir=data_dir),
        generation=Generation(lease_s=2.0),
        model=Model(name="extractive", base_url=upstream),
        embeddings=Embeddings(name="counted", dimension=8, cache_days=0),
        ingest=Ingest(workers=2, calls=1, batch=BATCH),
        redis=Redis(url=SecretStr(redis.url)),
    )


@asynccontextmanager
async def worker(settings: Settings) -> AsyncIterator[asyncio.subprocess.Process]:
    settings.storage.data_dir.mkdir(parents=True)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CHATSERVER_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from chatserver.cli import main; main()",
        "worker",
        env={**inherited, **to_environment(settings)},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def owner_pid(log: AnswerLog, job: str) -> int:
    """Owners are called HOST-PID-…"""
    while True:
        meta = await log.meta(job)
        if meta is not None and meta.owner is not None:
            return int(meta.owner.rsplit("-", 2)[1])
        await asyncio.sleep(0.01)


async def ended(http: httpx.AsyncClient, job: str) -> dict[str, Any]:
    while True:
        status: dict[str, Any] = (await http.get(f"/v1/jobs/{job}")).json()
        if status["status"] not in {"queued", "processing"}:
            return status
        await asyncio.sleep(0.05)


async def killed_in_a_call(redis: RedisServer, upstream: OpenAIServer, job: str) -> int:
    """Whoever runs the job is, in the middle of its third call for vectors; its pid."""
    while len(upstream.asked) < 3:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    log = await RedisAnswerLog.open(redis.url)
    pid = await owner_pid(log, job)
    await log.aclose()
    os.kill(pid, signal.SIGKILL)
    return pid


def uploads(words: str = "moves glycol", documents: int = DOCUMENTS) -> list[tuple[str, tuple[str, bytes]]]:
    return [
        ("files", (f"d{n}.md", f"# Pump {n}\n\nPump P-{n} {words}. It stands in hall {n}.".encode()))
        for n in range(documents)
    ]


async def submitted(http: httpx.AsyncClient, files: list[tuple[str, tuple[str, bytes]]]) -> str:
    return str((await http.post("/v1/ingest", files=files)).json()["job_id"])


async def ids_found(http: httpx.AsyncClient, question: str) -> set[str]:
    """Of the passages that a search finds. Raises what a leg says that failed."""
    found = (await http.post("/v1/search", json={"queries": [question], "top_k": 3})).json()
    assert found["success_rate"] == 1.0, found
    return {passage["id"] for passage in found["results"][0]["passages"]}


def check_paid_once(upstream: OpenAIServer, batches: int) -> None:
    """But for so many batches."""
    texts = Counter(text for asked in of_the_ingest(upstream) for text in asked)
    assert len(texts) == DOCUMENTS
    assert sum(count - 1 for count in texts.values()) <= batches * BATCH


@pytest.mark.slow
async def test_a_worker_on_another_machine_is_killed_and_one_on_a_third_goes_on(tmp_path: Path) -> None:
    """What was uploaded to the server is stored there, each document once, and found by its search; nothing that was
    paid is paid again but for the call that the kill cut off; the workers' own directories hold nothing of it."""
    require_redis()
    redis = RedisServer(tmp_path).start()
    try:
        async with openai_server() as upstream, asyncio.timeout(WAIT_S):
            upstream.latency_s = 0.3  # so long that the kill comes while the call is under way
            server, *workers = (machine(tmp_path / name, redis, upstream.url) for name in "abc")
            server.storage.data_dir.mkdir()
            async with (
                own_server(server) as url,
                httpx.AsyncClient(base_url=url, trust_env=False, timeout=WAIT_S) as http,
                worker(workers[0]) as first,
                worker(workers[1]) as second,
            ):
                job = await submitted(http, uploads())
                pid = await killed_in_a_call(redis, upstream, job)
                assert pid in {first.pid, second.pid}
                status = await ended(http, job)
                check_paid_once(upstream, 1)
                assert "d12.md" in await ids_found(http, "Which pump is P-12?")
        assert (status["status"], status["problems"]) == ("completed", [])
        assert (status["result"]["documents"], status["result"]["unchanged"]) == (DOCUMENTS, 0)
        held = []
        for settings in (server, *workers):
            async with open_knowledge(settings) as knowledge:
                held.append(dict(await knowledge.documents.count()))
        assert held == [{"documents": DOCUMENTS, "passages": DOCUMENTS}, *[{"documents": 0, "passages": 0}] * 2]
        assert redis.says("--scan", "--pattern", "cs:errand*") == ""
        living = workers[1] if pid == first.pid else workers[0]
        assert list((living.storage.data_dir / "fetched").iterdir()) == []
    finally:
        redis.kill()


@pytest.mark.slow
async def test_a_worker_on_another_machine_fills_pinecone_and_neo4j(tmp_path: Path) -> None:
    """Of a server that keeps vectors and graph there, without knowing either's key: it is killed in the middle and one
    on a third machine goes on; each document is in both stores once, records too; documents that change take the place
    of the old ones in both, and one that is deleted is in none."""
    require_redis()
    neo4j = standalone_neo4j()
    neo4j.clear()
    redis = RedisServer(tmp_path).start()
    try:
        async with openai_server() as upstream, pinecone_server(dimension=8) as pinecone, asyncio.timeout(2 * WAIT_S):
            upstream.latency_s = 0.3
            server, *workers = (machine(tmp_path / name, redis, upstream.url) for name in "abc")
            server.storage.data_dir.mkdir()
            server = server.model_copy(
                update={
                    "pinecone": Pinecone(api_key=SecretStr(KEY), host=pinecone.url),
                    "neo4j": Neo4j(uri=neo4j.uri, password=SecretStr(PASSWORD)),
                    "retrieval": Retrieval(deadline_s=60.0),
                }
            )
            async with (
                own_server(server) as url,
                httpx.AsyncClient(base_url=url, trust_env=False, timeout=WAIT_S) as http,
                worker(workers[0]),
                worker(workers[1]),
            ):
                records = ("files", ("Filling.csv", b"id,t_start,litres\nF-1,2026-03-02T08:00:00Z,12\n"))
                job = await submitted(http, [*uploads(), records])
                await killed_in_a_call(redis, upstream, job)
                status = await ended(http, job)
                check_paid_once(upstream, 1)
                assert (status["status"], status["problems"]) == ("completed", [])
                result = status["result"]
                assert (result["documents"], result["records"], result["unchanged"]) == (DOCUMENTS, 1, 0)
                everything = {f"d{n}.md" for n in range(DOCUMENTS)}
                assert (in_pinecone(pinecone), in_neo4j(neo4j)) == (everything, sorted(everything))
                assert "d12.md" in await ids_found(http, "Which pump is P-12?")

                status = await ended(http, await submitted(http, uploads("was scrapped in hall 77", 5)))
                assert (status["result"]["documents"], status["result"]["left_out"]) == (5, 0)
                assert (in_pinecone(pinecone), in_neo4j(neo4j)) == (everything, sorted(everything))
                assert (await http.delete("/v1/documents/d3.md")).status_code == 200
                left = everything - {"d3.md"}
                assert (in_pinecone(pinecone), in_neo4j(neo4j)) == (left, sorted(left))
    finally:
        redis.kill()


def in_pinecone(server: PineconeServer) -> set[str]:
    """The passages that have a vector there, each document's one; beside them lies the embedder's label."""
    return {
        id for name, rows in server.indexes["passages"].namespaces.items() if not name.startswith("%") for id in rows
    }


def in_neo4j(server: Neo4jServer) -> list[str]:
    """The documents there, each as often as it is."""
    with server.driver() as driver:
        rows = driver.execute_query("MATCH (one:Document) RETURN one.key AS key ORDER BY key").records
    return [row["key"] for row in rows]
