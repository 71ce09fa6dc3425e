"""`chatserver ingest`, and the sample that `chatserver serve --sample` begins with."""

import asyncio
import json as json_format
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from chatserver.cli import terminal
from chatserver.cli.configuration import read_settings
from chatserver.cli.logs import keep_logs_off_the_screen
from chatserver.ingest.report import STAGES, IngestReport
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


def ingest(paths: Sequence[Path], *, namespace: str, data_dir: Path | None, json: bool) -> int:
    """The exit code: 0 when everything went in, 1 when something was left out, 130 when interrupted."""
    settings = read_settings(data_dir)
    keep_logs_off_the_screen()
    try:
        report = asyncio.run(_ingest(settings, paths, namespace, quiet=json))
    except KeyboardInterrupt:
        terminal.remark("interrupted; what is complete is kept, and the same command takes up the rest")
        return 130
    if json:
        print(json_format.dumps(asdict(report), ensure_ascii=False))
    else:
        _show(report)
    return 1 if report.errors else 0


def ingest_if_empty(settings: Settings, sample: Path) -> None:
    """Fills a data directory that has no documents."""
    report = asyncio.run(_ingest_if_empty(settings, sample))
    if report is not None:
        _show(report)


async def _ingest_if_empty(settings: Settings, sample: Path) -> IngestReport | None:
    async with open_knowledge(settings) as knowledge:
        count = await knowledge.documents.count()
    if count["documents"]:
        return None
    terminal.say(f"no documents yet: ingesting the sample {sample.name}")
    return await _ingest(settings, [sample], "", quiet=False)


async def _ingest(settings: Settings, paths: Sequence[Path], namespace: str, *, quiet: bool) -> IngestReport:
    async with open_knowledge(settings) as knowledge:
        with Bars(quiet=quiet) as bars:
            return await knowledge.ingestion.ingest_paths(paths, namespace, progress=bars.update)


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


def _show(report: IngestReport) -> None:
    for problem in report.errors:
        place = f"{problem.file}:{problem.line}" if problem.line else problem.file
        terminal.say(f"left out {place or 'this'}: {problem.message} ({problem.code})", style="red")
    for name in report.skipped:
        terminal.say(f"skipped {name}: it holds no passages or records of a kind that is read", style="dim")
    parts = [
        f"{report.documents} documents in {report.passages} passages",
        f"{report.records} records",
        f"{report.unchanged} unchanged",
    ]
    if report.errors:
        parts.append(f"{len(report.errors)} left out")
    terminal.say(", ".join(parts))
