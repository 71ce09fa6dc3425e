"""What no file of the tree may hold: an address of a package index, a path of somebody's machine, a key."""

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Written with a bracket in each, so that this file does not match itself.
FORBIDDEN = {
    "the address of a package index": re.compile(
        r"https?://[^\s\"'<>)]*(?:p[y]pi\.|p[y]thonhosted|n[p]mjs|p[r]oxy\.golang|m[a]ven|a[r]tifactory|/s[i]mple\b)",
        re.I,
    ),
    "an option that sets a package index": re.compile(r"--(?:extra-)?i[n]dex-url[ =]\S|P[I]P_INDEX_URL|U[V]_INDEX"),
    "a path of one machine": re.compile(r"(?<![\w.])/(?:w[o]rk|r[o]ot|h[o]me/\w|U[s]ers/\w)[/\w]*/"),
    "a key": re.compile(r"\bs[k]-[A-Za-z0-9_]{20,}|p[c]sk_[A-Za-z0-9_]{20,}|-----B[E]GIN (?:\w+ )?PRIVATE KEY"),
}
MEGABYTE = 1 << 20


def paths() -> list[Path]:
    """The files that git tracks or would add; without git (an unpacked archive) every file that is not a dot-file's."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):
        return [p for p in ROOT.rglob("*") if p.is_file() and ".venv" not in p.parts and "__pycache__" not in p.parts]
    return [path for name in listed if name and (path := ROOT / name).is_file()]


@cache
def texts() -> dict[Path, str]:
    def read() -> Iterator[tuple[Path, str]]:
        for path in paths():
            content = path.read_bytes()
            if b"\0" not in content:
                yield path, content.decode("utf-8")

    return dict(read())


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    """The tree can be published as it is."""
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path, text in texts().items()
        for match in FORBIDDEN[what].finditer(text)
    ]
    assert found == []


def test_files_are_small_and_end_with_a_newline() -> None:
    """No file is over a megabyte; every text ends with exactly one newline and has no trailing spaces."""
    assert [p.name for p in paths() if p.stat().st_size > MEGABYTE] == []
    own = {
        p: text for p, text in texts().items() if text and p.suffix in {".py", ".md", ".toml", ".js", ".css", ".html"}
    }
    assert [p.name for p, text in own.items() if not text.endswith("\n") or text.endswith("\n\n")] == []
    assert [p.name for p, text in own.items() if re.search(r"[ \t]+$", text, re.MULTILINE)] == []
