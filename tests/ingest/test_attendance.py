"""Who is there for jobs, and who is told when nobody takes them: a real Redis, servers and workers of this process."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from chatserver.cli.check_workers import check_workers
from chatserver.cli.errors import CommandError
from chatserver.ingest.attendance import Making, Party, corpora_apart, lack_of, left_waiting
from chatserver.ingest.elsewhere.redis_roster import RedisRoster
from chatserver.ingest.jobs import Submission
from chatserver.settings import Ingest, Pinecone, Redis, Settings, Storage
from chatserver.wiring import System, open_system, open_worker
from chatserver.wiring.home import record_stores
from tests.contracts.redis_server import RedisServer
from tests.eventually import eventually

RULES = Making("wordllama", 256, "", describes=True)
BARE = Making("wordllama", 256, "", describes=False)


def party(id: str, making: Making, *, takes: bool, waiting: bool = False, home: str = "home") -> Party:
    return Party(id, f"host-{id}", home, making.name, making.words, takes, waiting)


SERVER = party("s", RULES, takes=False, waiting=True)
FIT, OTHER = party("w", RULES, takes=True), party("o", BARE, takes=True)


@pytest.mark.parametrize(
    ("there", "code", "others"),
    [
        ([SERVER], "no_worker", ()),
        ([SERVER, OTHER], "other_settings", ("embedder wordllama (256), metadata none",)),
        ([SERVER, OTHER, FIT], None, ()),
    ],
)
def test_what_jobs_lack(there: Sequence[Party], code: str | None, others: tuple[str, ...]) -> None:
    """A worker, or one that makes the same; another server is none."""
    lack = lack_of(RULES.name, there)
    assert (lack.code if lack else None, lack.others if lack else ()) == (code, others)


def test_a_worker_is_told_of_jobs_that_nobody_else_does() -> None:
    """Not of those that it may do itself, that somebody else does, or that do not wait."""
    resting = party("r", RULES, takes=False)
    assert left_waiting(OTHER, [SERVER, OTHER]) == [SERVER]
    for there in ([SERVER, OTHER, FIT], [resting, OTHER]):
        assert left_waiting(OTHER, there) == []
    assert left_waiting(FIT, [SERVER, FIT]) == []


def test_servers_with_another_corpus() -> None:
    """Those of another data directory; workers have one of their own and no corpus."""
    far = party("far", RULES, takes=False, home="elsewhere")
    assert corpora_apart("home", [SERVER, party("w", RULES, takes=True, home="third"), far]) == ["host-far"]


async def test_notes_are_renewed_and_withdrawn(redis: RedisServer) -> None:
    """Who changes has one note still, who leaves has none, and what another version has written is left alone."""
    roster = await RedisRoster.open(redis.url)
    seen: list[Sequence[Party]] = []
    current = party("s", RULES, takes=False)
    redis.says("ZADD", "cs:roster", "99999999999", '{"who":"knows"}')
    attending = asyncio.create_task(roster.attend(lambda: current, seen.append))
    try:
        await eventually(lambda: seen and seen[-1] == [current], within_s=30)
        current = SERVER
        await eventually(lambda: seen[-1] == [SERVER], within_s=30)
    finally:
        attending.cancel()
        await asyncio.gather(attending, return_exceptions=True)
    assert await roster.there() == []
    await roster.aclose()


async def test_a_worker_with_other_settings_and_who_is_told_of_it(redis: RedisServer, tmp_path: Path) -> None:
    """The job says what it waits for, server and worker say so in their logs, `check` fails; a worker with the same
    settings runs it, and all is well."""
    settings = machine(tmp_path / "server", redis, "rules")
    with capture_logs() as logs:
        async with open_system(settings) as system:
            job = await submitted(system)
            await waits_for(system, job, "no_worker")
            async with open_worker(machine(tmp_path / "other", redis, "none")):
                await waits_for(system, job, "other_settings")
                with pytest.raises(CommandError, match="metadata none") as refused:
                    await check_workers(settings)
                assert refused.value.code == "other_settings"
                await eventually(lambda: [line for line in logs if "may not do" in line["event"]], within_s=30)
                async with open_worker(settings):
                    async with asyncio.timeout(60):
                        while (await status(system, job))["status"] != "completed":  # noqa: ASYNC110
                            await asyncio.sleep(0.05)
                    assert "waits_for" not in await status(system, job)
                    assert (await check_workers(settings)).startswith("1 of 2 on this Redis take jobs")
                    told = list(logs)
    codes = [line["code"] for line in told if line["event"] == "jobs wait for a worker"]
    assert codes == ["no_worker", "other_settings"]
    (warned,) = [line for line in told if "may not do" in line["event"]]
    assert (warned["log_level"], "metadata rules" in warned["wanted"]) == ("warning", True)


async def test_a_worker_stores_nothing_where_its_servers_do_not_look(redis: RedisServer, tmp_path: Path) -> None:
    """One that shares their data directory and is set to other stores says so, and its job waits with a notice; it goes
    on once the servers have the same."""
    settings = machine(tmp_path / "data", redis, "rules")
    pinecone = Pinecone(api_key=SecretStr("key"), host="https://nowhere.invalid", timeout_s=0.1)
    async with open_system(settings) as system:
        record_stores(settings.model_copy(update={"pinecone": pinecone}))
        with capture_logs() as logs:
            async with open_worker(settings):
                job = await submitted(system)
                async with asyncio.timeout(60):
                    while not (await status(system, job))["notices"]:  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
                (notice,) = (await status(system, job))["notices"]
                assert (notice["code"], "set to other stores" in notice["message"]) == ("other_stores", True)
                assert (await system.knowledge.documents.count())["documents"] == 0
                record_stores(settings)
                async with asyncio.timeout(60):
                    while (await status(system, job))["status"] != "completed":  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
    (warned,) = [line for line in logs if "its servers have other stores" in line["event"]]
    assert "Pinecone's index https://nowhere.invalid" in warned["reason"]


async def test_two_servers_with_a_corpus_each(redis: RedisServer, tmp_path: Path) -> None:
    """Both say so, and so does `check`: nothing that one has ingested is found by the other."""
    one, two = (machine(tmp_path / name, redis, "rules") for name in ("one", "two"))
    with capture_logs() as logs:
        async with open_system(one), open_system(two):
            await eventually(lambda: len([line for line in logs if "corpus" in line["event"]]) == 2, within_s=30)
            assert "each searches what was ingested into its own alone" in await check_workers(one)


def machine(data_dir: Path, redis: RedisServer, metadata: Literal["rules", "none"]) -> Settings:
    data_dir.mkdir()
    return Settings(
        storage=Storage(data_dir=data_dir), ingest=Ingest(metadata=metadata), redis=Redis(url=SecretStr(redis.url))
    )


async def submitted(system: System) -> str:
    job = system.jobs.new_id()
    size = await system.jobs.spool.keep_rows(job, [{"id": "a", "text": "Pump P-1 moves glycol."}])
    meta, _ = await system.jobs.submit(Submission("ada", {"spool": job}, "pumps", size), job)
    system.work.set()
    return meta.answer


async def status(system: System, job: str) -> dict[str, Any]:
    meta = await system.answers.meta(job)
    assert meta is not None
    return await system.jobs.status(meta)


async def waits_for(system: System, job: str, code: str) -> None:
    async with asyncio.timeout(60):
        while (await status(system, job)).get("waits_for", {}).get("code") != code:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
