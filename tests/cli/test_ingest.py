"""`chatserver ingest` as a job: interrupted, killed, and uploaded to a server."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from chatserver.cli.reach import own_server
from chatserver.client.background import BackgroundLoop
from chatserver.settings import Settings, Storage

CHATSERVER = [sys.executable, "-c", "from chatserver.cli import main; main()"]
FEW = 64
LIMITED = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({FEW}, {FEW})); "
WITH_FEW_OPEN = [sys.executable, "-c", f"{LIMITED}from chatserver.cli import main; main()"]
WAIT_S = 120.0


def corpus(count: int) -> Path:
    folder = Path("corpus")
    folder.mkdir()
    rows = [{"id": f"d{n}", "title": f"Pump {n}", "text": f"Pump {n} moves glycol."} for n in range(count)]
    (folder / "pumps.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def ingest(*arguments: str, chatserver: Sequence[str] = CHATSERVER) -> "subprocess.Popen[str]":
    command = [*chatserver, "ingest", *arguments, "--data-dir", "data"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def stored_some() -> None:
    """Waits until documents are stored."""
    ends = time.monotonic() + WAIT_S
    while time.monotonic() < ends:
        if Path("data/knowledge.db").exists():
            try:
                with sqlite3.connect("file:data/knowledge.db?mode=ro", uri=True) as db:
                    if db.execute("SELECT count(*) FROM documents").fetchone()[0]:
                        return
            except sqlite3.OperationalError:
                pass  # the tables are still to be made
        time.sleep(0.02)
    raise TimeoutError


def test_interrupted_and_killed_the_same_command_goes_on() -> None:
    """Ctrl-C ends with 130 and keeps what is stored; after a kill the job itself goes on; in the end every document
    is there."""
    folder = corpus(1_500)
    first = ingest(str(folder))
    stored_some()
    first.send_signal(signal.SIGINT)
    _, said = first.communicate(timeout=WAIT_S)
    assert first.returncode in {130, 0}, said  # 0: it was done already
    killed = ingest(str(folder))
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate(timeout=WAIT_S)
    last = ingest(str(folder), "--json")
    out, said = last.communicate(timeout=WAIT_S)
    assert last.returncode == 0, said
    report = json.loads(out)
    assert report["documents"] + report["unchanged"] == 1_500
    assert report["errors"] == []


def test_files_are_uploaded_to_a_server(tmp_path: Path) -> None:
    """With `--url` the server ingests them as its own job, and the report is the same, with what is not there told as
    well; however many files there are, few are open at once."""
    folder = corpus(20)
    (folder / "photo.png").write_bytes(b"x")
    for number in range(FEW):
        (folder / f"{number}.md").write_text(f"# Fan {number}")
    with BackgroundLoop() as loop:
        server = own_server(Settings(storage=Storage(data_dir=tmp_path / "theirs")))
        url = loop.run(server.__aenter__())
        try:
            done = ingest(str(folder), "gone.md", "--url", url, "--json", chatserver=WITH_FEW_OPEN)
            out, said = done.communicate(timeout=WAIT_S)
        finally:
            loop.run(server.__aexit__(None, None, None))
    assert done.returncode == 1, said
    report = json.loads(out)
    assert (report["documents"], report["skipped"]) == (20 + FEW, ["photo.png"])
    assert [(problem["file"], problem["code"]) for problem in report["errors"]] == [("gone.md", "not_found")]
    assert not Path("data").exists()


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    """In one line, with a code."""
    (tmp_path / "a.md").write_text("# A\n\nWords.")
    done = ingest("a.md", "--url", "http://127.0.0.1:1")
    _, said = done.communicate(timeout=WAIT_S)
    assert done.returncode == 1
    assert "does not answer (unreachable)" in said
