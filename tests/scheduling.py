"""How the tests are shared among the processes of pytest-xdist, and in which order."""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
from xdist.scheduler import LoadFileScheduling

ROOT = Path(__file__).parents[1]
GRAPH_SERVER = "the graph server"
_USES_IT = re.compile(r"\b(standalone_neo4j|contracts\.graph_stores)\b")

# Few tests of many seconds, in servers and browsers of their own: whatever begins last should be short.
LONG = ("tests/delivery/test_process_", "tests/deploy/", "tests/doors/", "tests/page/", "tests/test_exports.py")


@cache
def unit(file: str) -> str:
    """What a file's tests share a process with: a file stays in one, and all that use the graph server in the same, for
    it takes many seconds of a processor until it has started and seen each statement."""
    return GRAPH_SERVER if _USES_IT.search((ROOT / file).read_text("utf-8")) else file


def in_order(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The largest unit first, then the files of long tests; otherwise as they are."""

    def rank(item: pytest.Item) -> int:
        file = item.nodeid.split("::", 1)[0]
        return 0 if unit(file) == GRAPH_SERVER else 1 if file.startswith(LONG) else 2

    return sorted(items, key=rank)


class Units(LoadFileScheduling):  # type: ignore[misc]
    """Gives a process one `unit` at a time."""

    def _split_scope(self, nodeid: str) -> str:
        return unit(nodeid.split("::", 1)[0])
