"""The doors as the packages that front ends really use know them: npm `ai`, `openai` and our own client, in node."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.page.programs import lacking, require
from tests.page.server import CHATSERVER, Server, environment
from tests.ports import free_port

NODE = Path(__file__).parent / "node"


@pytest.fixture(scope="module")
def packages() -> Path:
    """What `make node` has installed."""
    if not (NODE / "node_modules" / "ai").is_dir():
        lacking("the packages that `make node` installs")
    return NODE / "node_modules"


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("doors") / "data", "scripted")
    yield server
    server.end()


@pytest.mark.parametrize("door", ["websocket", "default", "openai", "client", "asyncapi"])
def test_a_door_in_node(door: str, packages: Path, scripted: Server, tmp_path: Path) -> None:
    """What the door's own tests say, with the real packages against a real server."""
    ran = subprocess.run(
        [require("node"), "--test", str(NODE / f"{door}.test.mjs")],
        capture_output=True,
        text=True,
        check=False,
        env=environment(
            CHATSERVER=str(CHATSERVER), SERVER_URL=scripted.url, FREE_PORT=str(free_port()), TMPDIR=str(tmp_path)
        ),
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "# pass 0" not in ran.stdout


def test_a_typed_program(packages: Path, scripted: Server, tmp_path: Path) -> None:
    """The JavaScript client's types are what a strict TypeScript program needs, refuse what it can't do, and tell the
    truth: the program is compiled against the package as it is published, and then run."""
    (tmp_path / "node_modules").symlink_to(packages)
    compiled = _ran([str(packages / ".bin" / "tsc"), "--project", str(NODE), "--outDir", str(tmp_path)])
    assert compiled.returncode == 0, compiled.stdout + compiled.stderr
    ran = _ran([require("node"), str(tmp_path / "usage.mjs")], SERVER_URL=scripted.url)
    assert (ran.returncode, ran.stdout) == (0, "typed program done\n"), ran.stdout + ran.stderr


def _ran(command: list[str], **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment(**variables))
