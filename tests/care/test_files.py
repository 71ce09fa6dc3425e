import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from chatserver.answers.sqlite import SqliteAnswerLog
from chatserver.care.integrity import faults
from retrieval.embedded.database import FORMAT, Database, NewerData
from tests.contracts.answer_logs import begun


def _set_format(path: Path, number: int) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version={number}")


async def test_newer_data_is_refused_and_left_alone(tmp_path: Path) -> None:
    """A file of a later format is not opened, not even to be looked at, and not a byte of it changes."""
    path = tmp_path / "answers.db"
    await (await Database.open(path)).aclose()
    _set_format(path, FORMAT + 1)
    before = path.read_bytes()
    with pytest.raises(NewerData, match=f"format {FORMAT + 1}"):
        await SqliteAnswerLog.open(path)
    with pytest.raises(NewerData):
        list(faults(path))
    assert path.read_bytes() == before


async def test_data_from_before_the_number_is_taken(tmp_path: Path) -> None:
    """It gets the number."""
    path = tmp_path / "answers.db"
    log = await SqliteAnswerLog.open(path)
    await begun(log, entries=3)
    await log.aclose()
    _set_format(path, 0)
    log = await SqliteAnswerLog.open(path)
    assert len(await log.read("a1", 0, 10)) == 3
    await log.aclose()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (FORMAT,)


async def test_a_damaged_page_and_a_hole_are_found(tmp_path: Path) -> None:
    """A whole file has no faults; a page of other bytes, and an answer without one of its batches, have."""
    path = tmp_path / "answers.db"
    log = await SqliteAnswerLog.open(path)
    for answer in ("a1", "a2"):
        await begun(log, answer, entries=5)
    await log.aclose()
    assert list(faults(path)) == []
    with closing(sqlite3.connect(path)) as db:
        db.execute("DELETE FROM batches WHERE answer = (SELECT key FROM answers WHERE id = 'a2')")
        db.commit()
    assert list(faults(path)) == ["answers.db: the log of answer a2 has a hole"]
    whole = bytearray(path.read_bytes())
    whole[8192:12288] = b"\xff" * 4096
    path.write_bytes(whole)
    assert list(faults(path)) != []
