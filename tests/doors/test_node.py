"""The doors as the packages that front ends really use know them: npm `ai`, `openai` and our own client, in node."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.page.programs import lacking, require
from tests.page.server import CHATSERVER, Server, environment

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


@pytest.mark.timeout(240)
@pytest.mark.parametrize("door", ["websocket", "default", "openai", "client", "asyncapi"])
def test_a_door_in_node(door: str, packages: Path, scripted: Server, tmp_path: Path) -> None:
    """What the door's own tests say, with the real packages against a real server."""
    ran = subprocess.run(
        [require("node"), "--test", str(NODE / f"{door}.test.mjs")],
        capture_output=True,
        text=True,
        check=False,
        env=environment(CHATSERVER=str(CHATSERVER), SERVER_URL=scripted.url, TMPDIR=str(tmp_path)),
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "# pass 0" not in ran.stdout
