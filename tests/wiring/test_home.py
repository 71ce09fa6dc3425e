"""The name of a data directory."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from chatserver.settings import Settings, Storage
from chatserver.wiring.home import home_of

AT_ONCE, ROUNDS = 8, 50


def test_all_who_come_first_read_one_name(tmp_path: Path) -> None:
    """Processes that start together on a new directory call it the same, by a whole name, and leave nothing beside."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for number in range(ROUNDS):
            directory = tmp_path / str(number)
            directory.mkdir()
            names = _asked_at_once(pool, Settings(storage=Storage(data_dir=directory)))
            assert len(set(names)) == 1
            assert len(names[0]) == 32
            assert [file.name for file in directory.iterdir()] == ["home"]


def _asked_at_once(pool: ThreadPoolExecutor, settings: Settings) -> list[str]:
    together = threading.Barrier(AT_ONCE)

    def ask(_: int) -> str:
        together.wait()
        return home_of(settings)

    return list(pool.map(ask, range(AT_ONCE)))
