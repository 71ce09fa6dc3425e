"""What the processes of one socket have counted is read while they start and end. Each process here is a real one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chatserver.metrics.metrics import DIRECTORY, Metrics
from tests.metrics.scrape import Scrape

COUNTS = "from chatserver.metrics.metrics import Metrics; Metrics().answers.asked()"
READS = (
    "from chatserver.metrics.metrics import Metrics; metrics = Metrics(); print('ready', flush=True); input();"
    "print(metrics.text().decode())"
)
NOBODY = 5_000_000
"""Above what Linux gives as a process id."""
LEFT_BEHIND = 300
"""Files of processes that have ended; two readers that start together meet at some of them."""


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a process that has asked one question and has ended."""
    monkeypatch.setenv(DIRECTORY, str(tmp_path))
    subprocess.run([sys.executable, "-c", COUNTS], check=True, timeout=60)
    return tmp_path


@pytest.mark.parametrize("kind", ["counter", "histogram", "gauge_livesum", "gauge_livemax"])
def test_a_process_that_just_starts_is_waited_for(directory: Path, kind: str) -> None:
    """A file that another process has made and not yet given its size has no numbers: the others are told."""
    (directory / f"{kind}_{os.getpid()}.db").touch()
    assert Scrape(Metrics().text().decode()).value("answers_asked_total") == 1


def test_the_dead_are_let_go_of_once(directory: Path) -> None:
    """Two processes that are asked at once let go of the same ended processes; both tell all that was counted."""
    (ended,) = directory.glob("gauge_livesum_*.db")
    for pid in range(NOBODY, NOBODY + LEFT_BEHIND):
        shutil.copy(ended, directory / f"gauge_livesum_{pid}.db")
    readers = [_reader() for _ in range(2)]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
    for reader in readers:
        assert reader.stdin is not None
        reader.stdin.write("\n")
        reader.stdin.flush()
    told = [reader.communicate(timeout=60)[0] for reader in readers]
    assert [reader.returncode for reader in readers] == [0, 0]
    assert [Scrape(text).value("answers_asked_total") for text in told] == [1, 1]
    assert list(directory.glob(f"gauge_livesum_{NOBODY // 1000}*.db")) == []


def _reader() -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", READS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
