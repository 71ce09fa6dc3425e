"""What every `Ledger` must do, sentence by sentence of the port's contract."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chatserver.ingest.elsewhere.stores import FarLedger
from chatserver.ingest.ledger import Ledger, Note, SeenOnce
from chatserver.ingest.ledger_sqlite import KEPT_S, SqliteLedger
from chatserver.ingest.spool import Spool
from tests.contracts.far_directory import far_directory
from tests.contracts.redis_server import RedisServer
from tests.ingest.worker import data_directory


@pytest.fixture(params=["sqlite", "elsewhere"])
async def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ledger]:
    async with data_directory(tmp_path) as (ingestion, _, opened):
        if request.param == "sqlite":
            yield opened
            return
        server: RedisServer = request.getfixturevalue("redis")
        async with far_directory(server.url, ingestion, opened, Spool(tmp_path / "spool")) as far:
            yield FarLedger(far)


def left_in(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.iterdir())


async def test_what_was_paid_is_kept_until_it_is_discarded(ledger: Ledger) -> None:
    """Only what is asked for and known comes back; saving again replaces."""
    await ledger.save({"a": b"1", "b": b"2"})
    await ledger.save({"b": b"3"})
    assert await ledger.load(["b", "nowhere", "a"]) == {"a": b"1", "b": b"3"}
    await ledger.discard(["a", "nowhere"])
    assert await ledger.load(["a", "b"]) == {"b": b"3"}
    assert await ledger.load([]) == {}


async def test_the_first_note_of_a_document_stays(ledger: Ledger) -> None:
    """In the order asked for, the first of two in one call too; each job has notes of its own."""
    seen = ledger.seen("one")
    first = Note("d", "a.md:0", 3)
    assert await seen.note([first, Note("d", "b.md:0", 4), Note("e", "c.md:0", None)]) == [
        first,
        first,
        Note("e", "c.md:0", None),
    ]
    assert await ledger.seen("one").note([Note("e", "x", 9), Note("d", "a.md:0", None)]) == [
        Note("e", "c.md:0", None),
        first,
    ]
    assert await ledger.seen("two").note([Note("d", "b.md:0", 4)]) == [Note("d", "b.md:0", 4)]


async def test_an_ended_job_is_forgotten_and_what_it_paid_is_not(ledger: Ledger) -> None:
    """Another job's notes stay as well."""
    await ledger.save({"a": b"1"})
    for job in ("one", "two"):
        await ledger.seen(job).note([Note("d", "a", 1)])
    await ledger.end("one")
    assert await ledger.seen("one").note([Note("d", "b", 2)]) == [Note("d", "b", 2)]
    assert await ledger.seen("two").note([Note("d", "b", 2)]) == [Note("d", "a", 1)]
    assert await ledger.load(["a"]) == {"a": b"1"}


async def test_no_byte_of_what_was_forgotten_is_left(ledger: Ledger, tmp_path: Path) -> None:
    """While the ledger is open; what another job has seen is there."""
    for job in ("one", "two"):
        await ledger.seen(job).note([Note(f"document of {job}", "a", 1)])
    await ledger.end("one")
    await ledger.scrub()
    kept = left_in(tmp_path)
    assert (b"document of one" in kept, b"document of two" in kept) == (False, True)


async def test_the_speed_is_that_of_the_last_ingests(ledger: Ledger) -> None:
    """None before the first; of all together, so that small ones count little; old ones are forgotten."""
    assert await ledger.bytes_per_s() is None
    await ledger.measured(1_000, 1.0)
    await ledger.measured(10, 1.0)
    assert await ledger.bytes_per_s() == pytest.approx(505)
    for _ in range(20):
        await ledger.measured(30, 1.0)
    assert await ledger.bytes_per_s() == pytest.approx(30)


async def test_two_processes_share_one_ledger(tmp_path: Path) -> None:
    """What one has paid and seen, the other finds, also when the first never closed; after a week it is let go."""
    now = 1_000.0
    one = await SqliteLedger.open(tmp_path / "ledger.db", clock=lambda: now)
    two = await SqliteLedger.open(tmp_path / "ledger.db", clock=lambda: now)
    await one.save({"a": b"1"})
    await one.seen("job").note([Note("d", "a", 1)])
    assert await two.load(["a"]) == {"a": b"1"}
    assert await two.seen("job").note([Note("d", "b", 2)]) == [Note("d", "a", 1)]
    now += KEPT_S + 1
    late = await SqliteLedger.open(tmp_path / "ledger.db", clock=lambda: now)
    assert await late.load(["a"]) == {}
    for ledger in (one, two, late):
        await ledger.aclose()


async def test_in_memory_notes_stay_too() -> None:
    """The one for a single ingest keeps the same promise."""
    seen = SeenOnce({})
    assert await seen.note([Note("d", "a", 1), Note("d", "b", 2)]) == [Note("d", "a", 1), Note("d", "a", 1)]
