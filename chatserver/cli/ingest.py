"""`chatserver ingest`, and the sample that `chatserver serve --sample` begins with."""

import asyncio
import json as json_format
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from chatserver.cli import terminal
from chatserver.cli.configuration import read_settings
from chatserver.cli.errors import CommandError
from chatserver.cli.ingest_here import ingest_here
from chatserver.cli.ingest_there import ingest_there
from chatserver.cli.logs import keep_logs_off_the_screen
from chatserver.edge.heap import collect_rarely
from chatserver.ingest.files import printable
from chatserver.ingest.job import Status
from chatserver.ingest.report import STAGES
from chatserver.settings import Settings
from chatserver.wiring import open_knowledge

_TITLES = {
    "load": "reading",
    "chunk": "cutting",
    "metadata": "describing",
    "embed": "embedding",
    "store": "storing",
    "link": "linking",
}


def ingest(paths: Sequence[Path], *, namespace: str, url: str | None, data_dir: Path | None, json: bool) -> int:
    """The exit code: 0 when everything went in, 1 when something was left out, 130 when interrupted."""
    with Bars(quiet=json) as bars:
        try:
            status = asyncio.run(_ingest(paths, namespace, url, data_dir, bars))
        except KeyboardInterrupt:
            terminal.remark("interrupted; what is complete is kept, and the same command takes up the rest")
            return 130
    if "error" in status:
        raise CommandError(status["error"]["message"], code=status["error"]["code"])
    if status["status"] == "cancelled":
        raise CommandError("the job was cancelled; what is stored stays", code="cancelled")
    if json:
        print(json_format.dumps(_report(status), ensure_ascii=False))
    else:
        _show(status)
    return 1 if status["problems"] else 0


def ingest_if_empty(settings: Settings, sample: Path) -> None:
    """Fills a data directory that has no documents."""
    status = asyncio.run(_ingest_if_empty(settings, sample))
    if status is not None:
        _show(status)


async def _ingest_if_empty(settings: Settings, sample: Path) -> Status | None:
    async with open_knowledge(settings) as knowledge:
        count = await knowledge.documents.count()
    if count["documents"]:
        return None
    terminal.say(f"no documents yet: ingesting the sample {sample.name}")
    with Bars(quiet=False) as bars:
        return await ingest_here(settings, [sample], "", bars.update)


async def _ingest(
    paths: Sequence[Path], namespace: str, url: str | None, data_dir: Path | None, bars: "Bars"
) -> Status:
    if unnamed := [path for path in paths if str(path) != printable(path)]:
        raise CommandError(f"{printable(unnamed[0])}: its name is not UTF-8; rename it", code="invalid_name")
    if url is not None:
        return await ingest_there(url, paths, namespace, bars.update)
    settings = read_settings(data_dir)
    keep_logs_off_the_screen()
    collect_rarely()
    return await ingest_here(settings, paths, namespace, bars.update)


class Bars:
    """One progress bar for each stage, where somebody watches."""

    def __init__(self, *, quiet: bool) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=terminal.err,
            disable=quiet or not terminal.err.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "Bars":
        self._progress.start()
        for stage in STAGES:
            self._tasks[stage] = self._progress.add_task(_TITLES[stage], total=None)
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, stage: str, done: int, total: int) -> None:
        self._progress.update(self._tasks[stage], completed=done, total=total)


def _report(status: Status) -> dict[str, Any]:
    result = {name: value for name, value in status["result"].items() if name != "left_out"}
    return {**result, "errors": status["problems"]}


def _show(status: Status) -> None:
    for problem in status["problems"]:
        file = _in_one_line(problem["file"])
        place = f"{file}:{problem['line']}" if problem["line"] else file
        terminal.say(f"left out {place or 'this'}: {problem['message']} ({problem['code']})", style="red")
    result = status["result"]
    for name in result["skipped"]:
        terminal.say(
            f"skipped {_in_one_line(name)}: it holds no passages or records of a kind that is read", style="dim"
        )
    parts = [
        f"{result['documents']} documents in {result['passages']} passages",
        f"{result['records']} records",
        f"{result['unchanged']} unchanged",
    ]
    if result["left_out"]:
        parts.append(f"{result['left_out']} left out")
    terminal.say(", ".join(parts))


def _in_one_line(name: str) -> str:
    return name.replace("\n", "\\n").replace("\t", "\\t")
