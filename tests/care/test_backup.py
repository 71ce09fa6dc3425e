import asyncio
import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from chatserver.answers.sqlite import SqliteAnswerLog
from chatserver.answers.states import AnswerState
from chatserver.care.backup import back_up, restore
from chatserver.care.errors import CareError
from chatserver.ingest.spool import Spool
from retrieval.embedded.database import FORMAT
from tests.contracts.answer_logs import LEASE_S, batch, begun, claimed, question, read_all


@contextmanager
def writing(directory: Path) -> Iterator[threading.Event]:
    """As long as the context lasts a number is counted up in a.db, then in c.db, then in b.db, each committed, with a
    file of the spool before them. The event is set once it runs."""
    running, end = threading.Event(), threading.Event()
    names = ("a.db", "c.db", "b.db")
    for name in names:
        with closing(sqlite3.connect(directory / name, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("CREATE TABLE counted (n INTEGER)")
            db.execute("INSERT INTO counted VALUES (0)")

    def count() -> None:
        files = [sqlite3.connect(directory / name, isolation_level=None, timeout=60) for name in names]
        number = 0
        while not end.is_set():
            number += 1
            job = directory / "spool" / f"{number}" / "files"
            job.mkdir(parents=True)
            (job / "file.md").write_text("x")
            for db in files:
                db.execute("UPDATE counted SET n = ?", (number,))
            running.set()
            end.wait(0.001)  # else the others never get the lock
        for db in files:
            db.close()

    thread = threading.Thread(target=count)
    thread.start()
    try:
        yield running
    finally:
        end.set()
        thread.join()


def test_all_files_are_of_one_instant(tmp_path: Path) -> None:
    """Under a writer that goes from file to file, no copy has a later state of one file beside an earlier one of
    another: nowhere is more than the one step that was under way."""
    data = tmp_path / "data"
    data.mkdir()
    with writing(data) as running:
        assert running.wait(30)
        for number in range(4):
            made = tmp_path / f"backup-{number}"
            back_up(data, made)
            counted = {}
            for name in ("a", "b", "c"):
                with closing(sqlite3.connect(made / f"{name}.db")) as db:
                    ((counted[name],),) = db.execute("SELECT n FROM counted").fetchall()
            assert counted["a"] >= counted["c"] >= counted["b"] >= counted["a"] - 1
            spooled = max(int(path.name) for path in (made / "spool").iterdir())
            assert spooled - 1 <= counted["a"] <= spooled
    assert sorted(path.name for path in data.iterdir() if path.name.startswith(".")) == []


def test_what_jobs_were_given_may_go_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers let go of jobs that have ended while a backup looks at them, and a migration of its place."""
    data = tmp_path / "data"
    spool = data / "spool"
    for job in ("one", "two", "three"):
        for folder in ("files", "rows"):
            (spool / job / folder).mkdir(parents=True)
            (spool / job / folder / "it").write_text(job)
    link = os.link

    def linked(source: Path, target: Path) -> None:
        """Another process comes between: of this job the file goes that was just seen, of the others all."""
        job = Path(source).relative_to(spool).parts[0]
        if len(list(spool.iterdir())) == 3:
            for other in {"one", "two", "three"} - {job}:
                shutil.rmtree(spool / other)
            Path(source).unlink()
        link(source, target)

    monkeypatch.setattr(os, "link", linked)
    made = back_up(data, tmp_path / "made")
    assert {name.partition("/")[0] for name in made.files} == {"spool"}
    assert len(made.files) == 1


async def _a_log(data: Path) -> None:
    """One answer that has ended, one that is being told, one job with a file."""
    log = await SqliteAnswerLog.open(data / "answers.db")
    await log.create(question("ended"))
    await log.append(await claimed(log, "ended"), batch(0, 5, seal=AnswerState.COMPLETED), LEASE_S)
    await begun(log, "running", entries=3)
    await Spool(data / "spool").keep_rows("job-1", [{"id": "d"}])
    await log.aclose()


async def test_a_restored_log_is_the_log(tmp_path: Path) -> None:
    """Answers that have ended are the same to the byte; one that was being told has another epoch, so that no reader
    goes on in what the copy has not."""
    data, made, again = tmp_path / "data", tmp_path / "made", tmp_path / "again"
    await _a_log(data)
    made_there = await asyncio.to_thread(back_up, data, made)
    assert {"answers.db", "spool/job-1/rows/items.jsonl"} == set(made_there.files)
    await asyncio.to_thread(restore, made, again)
    before, after = await SqliteAnswerLog.open(data / "answers.db"), await SqliteAnswerLog.open(again / "answers.db")
    assert await after.meta("ended") == await before.meta("ended")
    assert await read_all(after, "ended") == await read_all(before, "ended")
    running, restored = await before.meta("running"), await after.meta("running")
    assert running is not None
    assert restored is not None
    assert (running.head, running.epoch) != (restored.head, restored.epoch)
    assert running.head == restored.head == 3
    assert await read_all(after, "running") == await read_all(before, "running")
    assert (again / "spool" / "job-1" / "rows" / "items.jsonl").read_bytes() == b'{"id":"d"}\n'
    await before.aclose()
    await after.aclose()


def test_what_is_no_whole_backup_is_refused(tmp_path: Path) -> None:
    """A directory without a manifest, a changed or missing file, a backup of a later version, a data directory with
    something in it, a target that is there: each has its code, and nothing was written."""
    data, made, again = tmp_path / "data", tmp_path / "made", tmp_path / "again"
    asyncio.run(_a_log(data))

    def refused(source: Path, target: Path) -> str:
        with pytest.raises(CareError) as error:
            restore(source, target)
        assert not target.exists() or target == data or list(target.iterdir()) == []
        return error.value.code

    back_up(data, made)
    with pytest.raises(CareError, match="is there already"):
        back_up(data, made)
    assert refused(tmp_path / "nowhere", again) == "no_backup"
    assert refused(made, data) == "data_dir_not_empty"
    manifest = json.loads((made / "backup.json").read_text())
    (made / "backup.json").write_text(json.dumps(manifest | {"format": FORMAT + 1}))
    assert refused(made, again) == "newer_data"
    (made / "backup.json").write_text(json.dumps(manifest | {"files": {"../../answers.db": [1, "x"]}}))
    assert refused(made, again) == "no_backup"
    (made / "backup.json").write_text(json.dumps(manifest))
    whole = (made / "answers.db").read_bytes()
    (made / "answers.db").write_bytes(whole[:-1] + b"!")
    assert refused(made, again) == "backup_damaged"
    (made / "answers.db").unlink()
    assert refused(made, again) == "backup_damaged"
    (made / "answers.db").write_bytes(whole)
    restore(made, again)


def test_a_damaged_file_makes_no_backup(tmp_path: Path) -> None:
    """Nothing is left behind that could pass for a backup."""
    data = tmp_path / "data"
    asyncio.run(_a_log(data))
    whole = bytearray((data / "answers.db").read_bytes())
    whole[8192:12288] = b"\xff" * 4096
    (data / "answers.db").write_bytes(whole)
    with pytest.raises(CareError) as error:
        back_up(data, tmp_path / "made")
    assert error.value.code == "backup_failed"
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
