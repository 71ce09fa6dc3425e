"""A killed worker costs no more than the call it was in: real processes and signals, an upstream that counts."""

import random
from pathlib import Path

import pytest

from tests.contracts.redis_server import redis_server
from tests.ingest.killed import BATCH, Toll, killed_job


def check(toll: Toll, documents: int) -> None:
    """Every document is stored once and counted as the job's; each kill repeats one batch at most."""
    assert (toll.status["status"], toll.status["problems"]) == ("completed", [])
    assert (toll.status["result"]["documents"], toll.status["result"]["unchanged"]) == (documents, 0)
    assert (toll.stored, toll.passages) == (documents, documents)
    assert len(toll.texts) == documents
    assert toll.repeated <= BATCH * toll.kills


@pytest.mark.slow
async def test_a_killed_worker_repeats_one_batch_at_most(tmp_path: Path) -> None:
    """On SQLite: the next process waits for the lease to end, and uses all that was paid for."""
    toll = await killed_job(tmp_path, 100, [4])
    check(toll, 100)
    assert toll.kills == 1


@pytest.mark.slow
async def test_a_worker_killed_beside_another_on_redis(tmp_path: Path) -> None:
    """Two workers of a queue: the one that lives is given the other's job."""
    with redis_server(tmp_path) as server:
        toll = await killed_job(tmp_path / "data", 100, [4], workers=2, redis_url=server.url)
    check(toll, 100)
    assert toll.kills == 1


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("redis", [False, True], ids=["sqlite", "redis"])
async def test_twenty_kills(tmp_path: Path, redis: bool) -> None:
    """At 20 seeded points of a job of 500 documents."""
    points = sorted(random.Random(8).sample(range(1, 48), 20))
    if not redis:
        toll = await killed_job(tmp_path, 500, points, within_s=600)
    else:
        with redis_server(tmp_path) as server:
            toll = await killed_job(tmp_path / "data", 500, points, workers=2, redis_url=server.url, within_s=600)
    check(toll, 500)
    assert toll.kills >= 15
