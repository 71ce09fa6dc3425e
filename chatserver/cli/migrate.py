"""`chatserver migrate`: from the data directory to Pinecone and Neo4j, or back."""

import asyncio
import json as json_format
from dataclasses import asdict
from pathlib import Path

from chatserver.cli import terminal
from chatserver.cli.configuration import read_settings
from chatserver.cli.ingest import Bars
from chatserver.cli.logs import keep_logs_off_the_screen
from chatserver.ingest.migration import MigrationReport
from chatserver.settings import Settings
from chatserver.wiring import open_migration


def migrate(*, back: bool, data_dir: Path | None, json: bool) -> int:
    """The exit code: 0 when all is copied, 130 when interrupted."""
    settings = read_settings(data_dir)
    keep_logs_off_the_screen()
    try:
        what, report = asyncio.run(_migrate(settings, back=back, quiet=json))
    except KeyboardInterrupt:
        terminal.remark("interrupted; the same command goes on where it was")
        return 130
    if json:
        print(json_format.dumps({"copied": what, **asdict(report)}))
    else:
        remade = f", {report.remade} vectors made again" if report.remade else ""
        terminal.say(
            f"copied {what}: {report.documents} documents in {report.passages} passages, "
            f"{report.records} records{remade}"
        )
    return 0


async def _migrate(settings: Settings, *, back: bool, quiet: bool) -> tuple[str, MigrationReport]:
    async with open_migration(settings, back=back) as copying:
        with Bars(quiet=quiet) as bars:
            return copying.what, await copying.run(bars.update)
