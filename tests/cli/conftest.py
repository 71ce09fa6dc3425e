import io
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog

from chatserver.cli import check, main


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def _own_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty working directory, no user state, no configuration of the developer's; logging as it was before."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "CHATSERVER_CONFIG", "CHATSERVER_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CHATSERVER_MODEL", "scripted")
    monkeypatch.setattr(check, "TIMEOUT_S", 120.0)  # the machine may be busy
    structured, handlers = structlog.get_config(), list(logging.getLogger().handlers)
    # Nothing listens here, whatever else runs on this machine.
    (tmp_path / "uvicorn.toml").write_text("port = 1\n")
    yield
    structlog.configure(**structured)
    logging.getLogger().handlers = handlers


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process, as the `chatserver` program does; `typed` is what the person types."""

    def run(*arguments: str, typed: str = "") -> Result:
        monkeypatch.setattr(sys, "argv", ["chatserver", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        code = ended.value.code
        return Result(code if isinstance(code, int) else 0, captured.out, captured.err)

    return run
