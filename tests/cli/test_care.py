import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from retrieval.embedded.database import FORMAT
from tests.cli.conftest import Run


def test_newer_data_is_refused_by_every_command(run: Run) -> None:
    """In one line with the code, also when only the answers are newer."""
    Path("d").mkdir()
    for name, commands in (
        ("answers.db", (["serve", "--port=0"], ["erase", "ada", "--yes"], ["check", "--integrity"], ["ask", "Why?"])),
        ("knowledge.db", (["serve", "--port=0"], ["check"], ["search", "pump"], ["ingest", "."])),
    ):
        with closing(sqlite3.connect(f"d/{name}")) as db:
            db.execute(f"PRAGMA user_version={FORMAT + 1}")
        for command in commands:
            result = run(*command, "--data-dir", "d")
            assert result.code == 1
            assert "(newer_data)" in result.out + result.err
        Path("d", name).unlink()


def test_erase_asks_for_the_name(run: Run) -> None:
    """Another name than the user's erases nothing; the user's own erases, and says what stays."""
    assert run("ask", "/script tokens=3", "--data-dir", "d").code == 0
    refused = run("erase", "anonymous", "--data-dir", "d", typed="yes\n")
    assert (refused.code, "(not_confirmed)" in refused.err) == (1, True)
    done = run("erase", "anonymous", "--data-dir", "d", typed="anonymous\n")
    assert (done.code, "erased 1 answers" in done.out, "stay" in done.out) == (0, True, True)
    told = json.loads(run("erase", "anonymous", "--yes", "--data-dir", "d", "--json").out)
    assert (told["answers"], told["jobs"], told["user"]) == (0, 0, "anonymous")


def test_a_backup_tells_what_is_not_in_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With answers on Redis, vectors on Pinecone or the graph in Neo4j it names each and its own means."""
    assert json.loads(run("backup", "b1", "--data-dir", "d", "--json").out)["elsewhere"] == []
    assert run("backup", "b1", "--data-dir", "d").code == 1
    config = 'CHATSERVER_REDIS_URL = "redis://127.0.0.1:1"\nNEO4J_URI = "bolt://127.0.0.1:1"\n'
    Path("c.toml").write_text(config + 'PINECONE_API_KEY = "k"\nPINECONE_HOST = "http://127.0.0.1:1"\n')
    monkeypatch.setenv("CHATSERVER_CONFIG", "c.toml")
    told = run("backup", "b2", "--data-dir", "d").out
    assert [name for name in ("Redis", "Pinecone", "Neo4j") if name not in told] == []


def test_integrity_fails_the_check(run: Run) -> None:
    """A whole directory passes; a damaged file is named, and the command ends with 1."""
    assert run("ask", "/script tokens=300", "--data-dir", "d").code == 0
    assert run("check", "--integrity", "--data-dir", "d").code == 0
    path = Path("d/answers.db")
    whole = bytearray(path.read_bytes())
    whole[8192:12288] = b"\xff" * 4096
    path.write_bytes(whole)
    result = run("check", "--integrity", "--data-dir", "d")
    assert (result.code, "✗ files: answers.db" in result.out) == (1, True)
