"""`chatserver reembed`: the vectors made anew after a change of the embedder."""

import asyncio
import json as json_format
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from chatserver.cli import terminal
from chatserver.cli.configuration import read_settings
from chatserver.cli.logs import keep_logs_off_the_screen
from chatserver.settings import Settings
from chatserver.wiring import reembed_knowledge


def reembed(*, data_dir: Path | None, json: bool) -> int:
    """The exit code: 0 when the new vectors serve, 130 when interrupted."""
    settings = read_settings(data_dir)
    keep_logs_off_the_screen()
    try:
        count = asyncio.run(_reembed(settings, quiet=json))
    except KeyboardInterrupt:
        terminal.remark("interrupted; the old vectors serve on, and the same command takes up the rest")
        return 130
    if json:
        print(json_format.dumps({"embedder": settings.embeddings.name, "vectors": count}))
    elif count:
        terminal.say(f"{count} vectors made anew by {settings.embeddings.name}; restart servers that run")
    else:
        terminal.say(f"nothing to do: no vectors are of another embedder than {settings.embeddings.name}")
    return 0


async def _reembed(settings: Settings, *, quiet: bool) -> int:
    columns = TextColumn("embedding"), BarColumn(bar_width=None), MofNCompleteColumn(), TimeRemainingColumn()
    hidden = quiet or not terminal.err.is_terminal
    with Progress(*columns, console=terminal.err, disable=hidden) as bar:
        task = bar.add_task("embedding", total=None)
        return await reembed_knowledge(
            settings, lambda stage, done, total: bar.update(task, completed=done, total=total)
        )
