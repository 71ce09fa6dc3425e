"""The README holds: its snippets run, its settings are the code's, the tests that it calls upon exist."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatserver.settings import Variable, variables

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
SETTINGS = list(variables())


def block(language: str, containing: str) -> str:
    """The one code block of that language that contains a text."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    (found,) = [text for text in blocks if containing in text]
    return str(found)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What a person's shell has after `make install`, without a developer's own configuration."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CHATSERVER_", "OPENAI_"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "PATH": path, "XDG_STATE_HOME": str(tmp_path / "state"), "COLUMNS": "120"}


@pytest.fixture
def server(tmp_path: Path, environment: dict[str, str]) -> Iterator[str]:
    """The address of a server that was started like `make run` does it, but on a free port."""
    command = ["chatserver", "serve", "--sample", "--port", "0", "--data-dir", str(tmp_path / "data")]
    with subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            ready = next((line for line in process.stdout if "is ready" in line), "")
            assert ready, "the server ended before it was ready"
            yield re.findall(r"http://\S+", ready)[0]
        finally:
            process.send_signal(signal.SIGTERM)
            process.stdout.read()


def test_the_shell_snippet_runs(tmp_path: Path, environment: dict[str, str]) -> None:
    """The commands of the terminal section end well in an empty directory, and print what the README shows."""
    (tmp_path / "uvicorn.toml").write_text("port = 1\n")  # no server of this machine answers for the snippet
    snippet = block("sh", "chatserver ingest notes")
    shell = ["bash", "-e", "-u", "-c", snippet]
    done = subprocess.run(shell, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=170)
    assert done.returncode == 0, done.stderr
    missing = [line for line in block("text", "descaled").splitlines() if line not in done.stdout]
    assert missing == [], done.stdout


def test_the_python_snippet_runs(server: str, tmp_path: Path, environment: dict[str, str]) -> None:
    """The program of the Python section, given a server with the sample, prints entries, text and citations."""
    program = block("python", "chatserver.client").replace("http://127.0.0.1:8000", server)
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    printed = done.stdout.splitlines()
    assert printed[0] == "0 start"
    assert any(re.fullmatch(r"\d+ finish", line) for line in printed)
    assert "90 minutes" in done.stdout
    assert any(line.startswith("MP-28 says: ") for line in printed)


def row(variable: Variable) -> str:
    default = "" if variable.default is None else f"`{variable.default}`"
    return f"| `{variable.name}` | {default} | {variable.description} |"


def test_the_settings_are_all_there_are() -> None:
    """Each setting that is used has its row with its default, in the code's order, and there is no other row."""
    assert re.findall(r"^\| `[A-Z0-9_]+` \|.*$", README, re.MULTILINE) == [row(variable) for variable in SETTINGS]


@pytest.mark.parametrize("variable", SETTINGS, ids=lambda variable: variable.name)
def test_a_setting_is_read_by_something(variable: Variable) -> None:
    """A setting that no code reads would be a promise that nothing keeps."""
    # In settings/ a group reads its own field, as `self.name` of the model does.
    used = re.compile(rf"\b(?:{variable.group}|self)\.{variable.field}\b")
    readers = [path for path in (ROOT / "chatserver").rglob("*.py") if path.parts[-2] != "client"]
    assert any(used.search(path.read_text("utf-8")) for path in readers)


def test_the_tests_that_it_names_exist() -> None:
    """Whatever the README says is shown by a test has that test."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", README)
    assert len(named) >= 8
    assert [name for file, name in named if f"def {name}(" not in (ROOT / file).read_text("utf-8")] == []


def test_its_make_targets_exist() -> None:
    """Every `make` of a code block is a target of the Makefile."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = re.findall(r"^make ([\w-]+)", README, re.MULTILINE)
    assert {"run", "test"} <= set(targets)
    assert [target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []
