import json
import subprocess
import sys
from pathlib import Path

import pytest

from chatserver import __version__
from tests.cli.conftest import Run

TEXT = "t0xxxxx t1xxxxx t2xxxxx "
HANDBOOK = "# Pumps\n\nPump P-101 moves the glycol through the evaporator. Its bearing is checked every month.\n"


def test_version(run: Run) -> None:
    """`--version` prints the package's version."""
    assert run("--version").out == f"chatserver {__version__}\n"


def test_help_is_quick() -> None:
    """`--help` imports nothing heavy, and lists the commands that there are."""
    program = (
        "import sys\nfrom chatserver.cli import main\nsys.argv = ['chatserver', '--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([m for m in ('pydantic', 'uvicorn', 'starlette', 'numpy', 'httpx', 'websockets') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    for command in ("serve", "ingest", "delete", "reembed", "ask", "chat", "search", "graph", "check"):
        assert f"  {command} " in done.stdout


def test_ask_without_a_server(run: Run) -> None:
    """With no server the command answers from the data directory, text on stdout and steps on stderr."""
    result = run("ask", "/script tokens=3", "--data-dir", "d")
    assert result.code == 0
    assert result.out == TEXT + "\n"
    assert "retrieve" in result.err


def test_ask_json(run: Run) -> None:
    """`--json` prints the answer's document and nothing else."""
    result = run("ask", "/script tokens=3", "--chat", "c", "--json")
    document = json.loads(result.out)
    assert document["text"] == TEXT
    assert document["state"] == "completed"
    assert document["chat"] == "c"
    assert Path("data").is_dir()


def test_a_failed_answer(run: Run) -> None:
    """An answer that fails keeps its text, says why with a code, and the command ends with 1."""
    result = run("ask", "/script tokens=9 fail_after=3 error=refused")
    assert result.code == 1
    assert result.out.startswith(TEXT + "\n")
    assert "(model_unavailable)" in result.out


def test_no_server_at_the_url(run: Run) -> None:
    """A server that was named and does not answer is one line with a code, not an answer from elsewhere."""
    result = run("ask", "hello", "--url", "http://127.0.0.1:1")
    assert result.code == 1
    assert result.err == "chatserver: no chat server answers at http://127.0.0.1:1 (unreachable)\n"


def test_a_refused_question(run: Run) -> None:
    """The server's refusal is the command's one line."""
    result = run("ask", "  ")
    assert result.code == 1
    assert result.err == "chatserver: The question is empty. (empty_question)\n"


def test_bad_settings(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every fault of the configuration is told, without a traceback."""
    monkeypatch.setenv("CHATSERVER_LEASE_S", "-1")
    monkeypatch.setenv("CHATSERVER_TOPK", "3")
    result = run("serve")
    assert result.code == 1
    assert result.err.startswith("chatserver: 2 faults (invalid_settings)\n  CHATSERVER_TOPK")
    assert "Traceback" not in result.err


def test_bad_server_file(run: Run) -> None:
    """An unknown key of uvicorn.toml is one line with the nearest name."""
    Path("uvicorn.toml").write_text("prot = 1\n")
    result = run("serve")
    assert result.code == 1
    assert "did you mean port?" in result.err
    assert "(invalid_server_config)" in result.err


def test_an_unusable_data_directory(run: Run) -> None:
    """A data directory that cannot be made is one line."""
    Path("file").write_text("")
    result = run("ask", "hello", "--data-dir", "file/d")
    assert result.code == 1
    assert "(data_dir_unusable)" in result.err


def test_a_bug_is_no_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of our own is one line; `--debug` raises it."""
    monkeypatch.setattr("chatserver.cli.check.check", lambda **_: 1 / 0)
    assert "(internal)" in run("check").err
    with pytest.raises(ZeroDivisionError):
        run("--debug", "check")


def test_ingest_and_search(run: Run) -> None:
    """Documents go in once, and search finds them with the reason."""
    Path("docs").mkdir()
    Path("docs/pumps.md").write_text(HANDBOOK)
    first = run("ingest", "docs")
    assert first.code == 0
    assert first.out.splitlines()[-1].startswith("1 documents in 1 passages")
    assert "1 unchanged" in run("ingest", "docs").out
    found = json.loads(run("search", "glycol pump", "--json").out)
    assert found["passages"][0]["title"] == "Pumps"
    assert found["passages"][0]["ranks"] == {"vector": 1, "keyword": 1}
    shown = run("search", "glycol pump", "--top-k", "1").out
    assert shown.startswith("1. Pumps")
    assert "vector #1" in shown
    assert "keyword #1" in shown


def test_what_is_deleted_is_found_no_more(run: Run) -> None:
    """A document by its path, a record by its id; what is not there is told, and the command ends with 1."""
    Path("docs").mkdir()
    Path("docs/pumps.md").write_text(HANDBOOK)
    Path("docs/Pump.csv").write_text("id,bar\nP-1,3\n")
    assert run("ingest", "docs").code == 0
    deleted = run("delete", "pumps.md", "none.md", "--json")
    assert (deleted.code, json.loads(deleted.out)) == (1, {"deleted": ["pumps.md"], "unknown": ["none.md"]})
    assert json.loads(run("search", "glycol pump", "--json").out)["passages"] == []
    assert run("delete", "P-1", "--collection", "Pump").code == 0
    assert "there is no P-1" in run("delete", "P-1", "--collection", "Pump").out


def test_ingest_tells_what_was_left_out(run: Run) -> None:
    """A bad file is named with its line and code, the rest goes in, and the command ends with 1."""
    Path("docs").mkdir()
    Path("docs/pumps.md").write_text(HANDBOOK)
    Path("docs/broken.jsonl").write_text('{"id": "a", "title": "A", "text": "Text."}\n{"id": \n')
    Path("docs/photo.png").write_bytes(b"\x89PNG")
    result = run("ingest", "docs")
    assert result.code == 1
    assert "left out broken.jsonl:2" in result.out
    assert "skipped photo.png" in result.out
    report = json.loads(run("ingest", "docs", "--json").out)
    assert report["unchanged"] == 2
    assert [(error["file"], error["line"]) for error in report["errors"]] == [("broken.jsonl", 2)]


def test_search_finds_nothing(run: Run) -> None:
    """An empty corpus is no error."""
    assert run("search", "pump").out == "nothing found\n"


def test_chat_goes_on_where_it_was_left(run: Run) -> None:
    """The next chat shows what was said, and asks in the same chat; `--new` begins another."""
    first = run("chat", typed="/script tokens=3\n")
    assert first.code == 0
    assert TEXT.strip() in first.out
    second = run("chat", typed="/script tokens=2\n")
    assert second.out.index(TEXT.strip()) < second.out.index("t0xxxxx t1xxxxx \n")
    chats = [line.split()[1] for result in (first, second) for line in result.err.splitlines() if "leaves" in line]
    assert chats[0] == chats[1]
    assert TEXT.strip() not in run("chat", "--new").out


def test_chat_resumes_an_unread_answer(run: Run) -> None:
    """An answer that nobody has read to its end is told, once, before the prompt."""
    document = json.loads(run("ask", "/script tokens=3", "--chat", "c", "--json").out)
    assert document["state"] == "completed"
    assert run("chat", "--chat", "c").out.count("t1xxxxx") == 1
    assert run("chat", "--chat", "c").out.count("t1xxxxx") == 1


def test_chat_survives_a_refusal(run: Run) -> None:
    """A refused question is told, and the next one asked."""
    result = run("chat", typed=f"{'x' * 20_000}\n\n/script tokens=3\n")
    assert "(question_too_long)" in result.out
    assert TEXT.strip() in result.out


def test_prompts_render_shows_what_a_model_is_sent(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`prompts render` prints the messages with the passages found, their hash and tokens, and before them what a
    configured model is asked first; a greeting sends none. No model is called."""
    (tmp_path / "pumps.md").write_text(HANDBOOK)
    run("ingest", str(tmp_path / "pumps.md"), "--data-dir", "d")
    document = json.loads(run("prompts", "render", "What moves the glycol?", "--data-dir", "d", "--json").out)
    assert [message["role"] for message in document["messages"]] == ["system", "user"]
    assert "Pump P-101 moves the glycol" in document["messages"][1]["content"]
    assert document["tokens"] > 100
    assert document["decision"] is None
    shown = run("prompts", "render", "What moves the glycol?", "--data-dir", "d").out
    assert f"prompt {document['prompt']} · {document['tokens']} tokens" in shown
    assert "nothing would be sent" in run("prompts", "render", "Hello!", "--data-dir", "d").out
    monkeypatch.setenv("CHATSERVER_MODEL", "some-model")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    first = json.loads(run("prompts", "render", "What moves the glycol?", "--data-dir", "d", "--json").out)["decision"]
    assert first["messages"][-1]["content"].endswith("Message: What moves the glycol?")
    assert f"prompt {first['prompt']}" in run("prompts", "render", "What moves the glycol?", "--data-dir", "d").out


def test_another_embedder(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands refuse vectors of another embedder and say what to do; `reembed` does it, and no text goes in twice."""
    (tmp_path / "pumps.md").write_text(HANDBOOK)
    assert run("ingest", "pumps.md", "--data-dir", "d").code == 0
    monkeypatch.setenv("CHATSERVER_EMBEDDER", "minilm")
    for command in (["search", "bearing"], ["serve", "--port", "0"], ["ingest", "pumps.md"]):
        refused = run(*command, "--data-dir", "d")
        assert refused.code == 1
        assert "`chatserver reembed`" in refused.err
        assert "(embedder_changed)" in refused.err
    done = run("reembed", "--data-dir", "d", "--json")
    assert json.loads(done.out) == {"embedder": "minilm", "vectors": 1}
    assert json.loads(run("search", "bearing", "--data-dir", "d", "--json").out)["passages"][0]["title"] == "Pumps"
    assert "1 unchanged" in run("ingest", "pumps.md", "--data-dir", "d").out
    assert "nothing to do" in run("reembed", "--data-dir", "d").out


@pytest.mark.parametrize("address", ["9101", ":9101", "localhost:", "localhost:metrics"])
def test_what_is_no_address_for_metrics_is_told(run: Run, address: str) -> None:
    """In one line with a code, before a worker starts."""
    result = run("worker", "--metrics", address)
    assert result.code != 0
    assert "give HOST:PORT" in result.err
    assert "(invalid_address)" in result.err
