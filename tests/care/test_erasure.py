import asyncio
from pathlib import Path

from chatserver.answers.log import Fenced
from chatserver.answers.meta import JOBS, job_id
from chatserver.answers.sqlite import SqliteAnswerLog
from chatserver.answers.states import AnswerState
from chatserver.care.erasure import Erased, erase
from chatserver.embeddings.file_cache import FileCache
from chatserver.embeddings.packing import pack
from chatserver.embeddings.port import key_of
from chatserver.ingest.ledger import Note
from chatserver.ingest.ledger_sqlite import SqliteLedger
from chatserver.ingest.spool import Spool
from tests.contracts.answer_logs import LEASE_S, batch, begun, claimed, question


async def test_no_byte_of_an_erased_user_is_left(tmp_path: Path) -> None:
    """Neither question, answer, upload nor cached vector is in any file of the data directory afterwards, while a
    server holds the files open; another user's are."""
    log = await SqliteAnswerLog.open(tmp_path / "answers.db")
    server = await SqliteAnswerLog.open(tmp_path / "answers.db")
    ledger = await SqliteLedger.open(tmp_path / "ledger.db")
    cache = await FileCache.open(tmp_path / "embeddings.db", keep_s=1000)
    spool = Spool(tmp_path / "spool")
    job = job_id("1")
    await log.create(question("a1", user="ada"))
    secret = [b'{"type":"text-delta","id":"t","delta":"the secret of ada"}'] * 400
    claim = await claimed(log, "a1")
    await log.append(claim, type(batch(0, 1))("b", 0, secret, AnswerState.COMPLETED), LEASE_S)
    await log.create(question(job, user="ada", chat=JOBS))
    await log.create(question("b1", user="bob"))
    await spool.keep_rows(job, [{"id": "d", "text": "the upload of ada"}])
    await ledger.seen(job).note([Note("document of ada", "place", 3)])
    vector = [0.123456789] * 8
    await cache.put({key_of("model", "What about a1?"): vector})
    assert [meta.answer for meta in await server.chat("ada", "c1")] == ["a1"]  # a reader with the file mapped

    def left(text: bytes) -> bool:
        return any(text in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())

    marks = (b"What about a1?", b"the secret of ada", b"the upload of ada", b"document of ada", pack(vector)[:16])
    assert [left(mark) for mark in marks] == [True] * 5
    erased = await erase("ada", log, spool, ledger, [cache], patience_s=0)
    assert erased == Erased(1, 1, ["file"], [])
    assert [left(mark) for mark in marks] == [False] * 5
    assert left(b"What about b1?")
    assert [meta.answer for meta in await server.chat("bob", "c1")] == ["b1"]
    assert await erase("ada", log, spool, ledger, [], patience_s=0) == Erased(0, 0, [], [])
    for each in (log, server, cache, ledger):
        await each.aclose()


async def test_what_runs_is_stopped_first(tmp_path: Path) -> None:
    """An owner is asked to stop, and the answer goes when it has; one that nobody stops goes after a while, and its
    owner can write no more."""
    log = await SqliteAnswerLog.open(tmp_path / "answers.db")
    spool, ledger = Spool(tmp_path / "spool"), await SqliteLedger.open(tmp_path / "ledger.db")
    claim = await begun(log, "a1", entries=1)
    erasing = asyncio.create_task(erase("ada", log, spool, ledger, [], patience_s=60))
    async with asyncio.timeout(30):
        while not await log.renew(claim, LEASE_S):  # noqa: ASYNC110 - it looks as an owner does
            await asyncio.sleep(0.01)
    assert await log.meta("a1") is not None
    await log.append(claim, batch(1, 1, seal=AnswerState.STOPPED), LEASE_S)
    assert (await erasing).answers == 1
    claim = await begun(log, "a2", entries=1)
    assert (await erase("ada", log, spool, ledger, [], patience_s=0)).answers == 1
    try:
        await log.append(claim, batch(1, 1), LEASE_S)
    except Fenced:
        pass
    else:
        raise AssertionError("an erased answer was written to")
    await ledger.aclose()
    await log.aclose()


async def test_ended_answers_go_when_their_time_is_up(tmp_path: Path) -> None:
    """With a time to keep them, older ones are removed as soon as the log is open; what has not ended stays."""
    log = await SqliteAnswerLog.open(tmp_path / "answers.db")
    for answer, at in (("old", 100.0), ("running", 100.0), ("new", 900.0)):
        await log.create(question(answer, at=at))
        if answer != "running":
            await log.append(await claimed(log, answer), batch(0, 1, seal=AnswerState.COMPLETED), LEASE_S)
    await log.aclose()
    log = await SqliteAnswerLog.open(tmp_path / "answers.db", clock=lambda: 1000.0, keep_s=500.0)
    async with asyncio.timeout(30):
        while await log.meta("old") is not None:  # noqa: ASYNC110 - the log tells nobody of it
            await asyncio.sleep(0.01)
    assert [meta.answer for meta in await log.chat("ada", "c1")] == ["running", "new"]
    await log.aclose()
