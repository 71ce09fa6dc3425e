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
from chatserver.settings import Embeddings, Generation, Ingest, Model, Redis, Settings, Storage, to_environment
from chatserver.wiring import open_knowledge
from tests.contracts.redis_server import RedisServer, require_redis
from tests.ingest.killed import of_the_ingest
from tests.models.openai_server import openai_server

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
                files = [
                    ("files", (f"d{n}.md", f"# Pump {n}\n\nPump P-{n} moves glycol. It stands in hall {n}.".encode()))
                    for n in range(DOCUMENTS)
                ]
                job = (await http.post("/v1/ingest", files=files)).json()["job_id"]
                while len(upstream.asked) < 3:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
                log = await RedisAnswerLog.open(redis.url)
                pid = await owner_pid(log, job)
                await log.aclose()
                assert pid in {first.pid, second.pid}
                os.kill(pid, signal.SIGKILL)
                status = await ended(http, job)
                texts = Counter(text for asked in of_the_ingest(upstream) for text in asked)
                found = (await http.post("/v1/search", json={"queries": ["Which pump is P-12?"], "top_k": 3})).json()
        assert (status["status"], status["problems"]) == ("completed", [])
        assert (status["result"]["documents"], status["result"]["unchanged"]) == (DOCUMENTS, 0)
        assert len(texts) == DOCUMENTS
        assert sum(count - 1 for count in texts.values()) <= BATCH
        assert "d12.md" in {passage["id"] for passage in found["results"][0]["passages"]}
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
