"""The page's modules that need no browser, tested with node's own test runner."""

import re
import subprocess
from pathlib import Path

from tests.page.programs import lacking, require

UNIT = Path(__file__).parent / "unit"
WEB = Path(__file__).parents[2] / "chatserver" / "web"
OLDEST = (20, 19)
"""From here on node takes a `.js` file with imports for the module that it is."""


def test_the_modules_hold_in_node() -> None:
    """Connection, delivery, session, transcript and Markdown do what their own tests say."""
    node = require("node")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    major, minor, *_ = (int(part) for part in version.lstrip("v").split("."))
    if (major, minor) < OLDEST:
        lacking(f"node {'.'.join(map(str, OLDEST))} or newer, not {version.strip()}")
    files = sorted(UNIT.glob("*.test.mjs"))
    ran = subprocess.run([node, "--test", *files], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
    assert "# pass 0" not in ran.stdout


def test_the_page_leaves_delivery_to_the_client() -> None:
    """What is resumed, stopped and acknowledged, and when, is the affair of one module, for page and client alike."""
    told = {
        file.relative_to(WEB).as_posix(): set(re.findall(r'type: "(resume|stop|ack|ping)"', file.read_text()))
        for file in [*WEB.glob("*.js"), *WEB.glob("client/*.js")]
    }
    delivery, connection = told.pop("client/delivery.js"), told.pop("client/connection.js")
    assert (delivery, connection) == ({"ack", "resume", "stop"}, {"ping"})
    assert not any(told.values()), told
