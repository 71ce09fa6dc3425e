"""The page's modules that need no browser, tested with node's own test runner."""

import subprocess
from pathlib import Path

from tests.page.programs import lacking, require

UNIT = Path(__file__).parent / "unit"
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
