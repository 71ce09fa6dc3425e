"""The doors as the packages that front ends really use know them: npm `ai`, `openai` and our own client, in node."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.page.programs import lacking, require
from tests.page.server import CHATSERVER, environment

NODE = Path(__file__).parent / "node"


@pytest.fixture(scope="module")
def packages() -> Path:
    """What `make node` has installed."""
    if not (NODE / "node_modules" / "ai").is_dir():
        lacking("the packages that `make node` installs")
    return NODE / "node_modules"


@pytest.mark.timeout(240)
@pytest.mark.parametrize("door", ["websocket"])
def test_a_door_in_node(door: str, packages: Path, tmp_path: Path) -> None:
    """What the door's own tests say, with the real packages against a real server."""
    ran = subprocess.run(
        [require("node"), "--test", str(NODE / f"{door}.test.mjs")],
        capture_output=True,
        text=True,
        check=False,
        env=environment(CHATSERVER=str(CHATSERVER), TMPDIR=str(tmp_path), PATH=os.environ["PATH"]),
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "# pass 0" not in ran.stdout
